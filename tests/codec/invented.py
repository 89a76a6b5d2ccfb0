"""Files that are made up, field by field and symbol by symbol, and sealed."""

import constriction
import msgpack
import numpy as np

from jaxcomp.codec.adaptive import MAX_MAGNITUDE
from jaxcomp.codec.coder import Encoder
from jaxcomp.codec.dtypes import NAMES, dtype_of
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import Budget, Limits
from jaxcomp.codec.names import NEXT_SEGMENT, decode_names
from jaxcomp.codec.records import Kind, decode_record
from jaxcomp.codec.segments import trailer
from tests.codec.crafted import Dictated, Inventor, sealed

LIMITS = Limits(seconds=0.05)  # of a file that is made up
_NUMBERS = (0, 1, 2, 3, 7, 8, 31, 32, 33, 127, 128, 129, 255, 256, 2**15 - 1, 2**15, 2**15 + 1)
_LARGE = (2**16, 2**20, 2**31, 2**32, 2**36, 2**62, 2**63 - 1)


def of_version_2(rng: np.random.Generator) -> bytes:
    """A file of up to three arrays: some have a field that does not fit."""
    script = b"".join(_names(rng, i) + _facts(rng) for i in range(rng.integers(1, 4))) + b"\3"
    raw: list[bytes] = []
    encoder = Encoder(raw.append)
    encoder.budget = Budget(256, LIMITS)
    coder, text, hints, body = Inventor(encoder, rng), Dictated(encoder, script), {}, b""

    def end_segment() -> bytes:
        data, code = b"".join(raw), encoder.finish()
        raw.clear()
        return data + code + trailer(len(data), len(code), first=not body)

    try:
        while (found := decode_names(text)) is not None:
            if found is NEXT_SEGMENT:
                body += end_segment()
            elif not found[1]:
                decode_record(coder, text, hints)
    except FormatError:
        pass  # the reader comes to the same place
    return sealed(body + end_segment(), 2)


def of_version_1(rng: np.random.Generator) -> bytes:
    """A file of up to four arrays: some have a field or payload that does not fit."""
    header, payloads = {}, b""
    for i in range(rng.integers(1, 5)):
        record, payload = _record(rng)
        place = header if rng.integers(2) else header.setdefault("layer", {})
        if isinstance(place, dict):
            place[str(i) if rng.integers(3) else int(i)] = record
            payloads += payload
        if isinstance(place, dict) and rng.integers(16) == 0:
            place[(None, True, 1.5, b"w", -1, 2**63, "more")[rng.integers(7)]] = _odd(rng)
    packed = msgpack.packb(header)
    length = len(packed) if rng.integers(16) else int(rng.integers(2 * len(packed)))
    if rng.integers(8) == 0:
        packed = _changed(rng, packed)
    return sealed(length.to_bytes(4, "little") + packed + payloads, 1)


def _names(rng: np.random.Generator, number: int) -> bytes:
    digit = str(number).encode()
    names = (
        b"w" + digit,
        b"layer\0" + digit,
        b"\4" + digit,
        b"\0" * number + digit,
        b"\5\1" + digit,
    )
    end = b"\1" if rng.integers(32) else bytes([rng.integers(7)])
    return (b"\6" if rng.integers(16) == 0 else b"") + names[rng.integers(len(names))] + end


def _facts(rng: np.random.Generator) -> bytes:
    kind = Kind(int(rng.integers(6)))
    axes = int(rng.integers(2 if kind == Kind.STEPS else 0, 5))
    fields = [axes, *(int(rng.integers(0 if rng.integers(8) == 0 else 1, 5)) for _ in range(axes))]
    types = range(len(NAMES))
    largest = int(rng.choice([1, 2, 3, 7, 32, 128, 200, 2**15 if rng.integers(16) == 0 else 1]))
    low, high = (int(n) for n in rng.integers(largest + 1, size=2))
    if kind == Kind.MIRRORED:
        # Values that are made up are seldom all positive.
        types, low, high = range(9, 13), 1, 1
        fields.append(2 + int(rng.integers(2)))
    elif kind == Kind.TABLE:
        types, low = (0, 5, 6, 7, 8), 0
        fields += [low, high + 1]
    elif kind in (Kind.STEP, Kind.STEPS):
        types = range(1, len(NAMES))
        fields += [low, high]
    if kind == Kind.STEPS:
        fields += [int(rng.integers(2)) for _ in range(axes)]
    if kind != Kind.PLAIN:
        by_rows = rng.integers(2) and (kind == Kind.SPARSE or max(low, high) <= MAX_MAGNITUDE)
        scheme = int(rng.integers(8, 16) if by_rows else rng.integers(7 if axes > 1 else 1))
        fields += [scheme, int(rng.integers(1, 9))] if by_rows else [scheme]
    code = int(rng.choice(types) if rng.integers(16) else rng.integers(32))
    if rng.integers(4) == 0:
        place = int(rng.integers(len(fields)))
        match rng.integers(4):
            case 0:
                del fields[place]
            case 1:
                fields.insert(place, int(rng.choice(_NUMBERS)))
            case 2:
                fields[place] = int(rng.choice(_NUMBERS))
            case 3:
                fields[place] = int(rng.choice(_LARGE))
    return bytes([32 * kind + code]) + b"".join(map(_number, fields))


def _number(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes([*out, number])


def _record(rng: np.random.Generator) -> tuple[list, bytes]:
    code = int(rng.integers(len(NAMES)))
    shape = [int(n) for n in rng.integers(0, 6, rng.integers(4))]
    count, dtype = int(np.prod(shape)), dtype_of(code)
    if rng.integers(2):
        payload = rng.bytes(count * dtype.itemsize)
        fields = [code, shape, len(payload)]
    else:
        values = int(rng.choice([1, 2, 3, 130, 256]))
        levels = rng.integers(values, size=count)
        counts = np.bincount(levels, minlength=values)
        payload = b"".join(_number(int(n)) for n in counts[:-1])
        if count and values > 1:
            coder = constriction.stream.queue.RangeEncoder()
            model = constriction.stream.model.Categorical(counts / count, perfect=False)
            coder.encode(levels.astype(np.int32), model)
            payload += coder.get_compressed().astype("<u4").tobytes()
        if rng.integers(8) == 0:
            payload = _changed(rng, payload)
        fields = [code, shape, len(payload), rng.bytes(values * dtype.itemsize)]
    if rng.integers(4) == 0:
        match rng.integers(4):
            case 0:
                del fields[rng.integers(len(fields))]
            case 1 if shape:
                shape[rng.integers(len(shape))] = int(rng.choice(_NUMBERS + _LARGE))
            case _:
                fields[rng.integers(len(fields))] = _odd(rng)
    return fields, payload


def _odd(rng: np.random.Generator):
    numbers = [*_NUMBERS, *_LARGE, -1, -(2**63)]
    values = (None, True, 1.5, "w", b"", b"abc", [], {}, {"w": []}, [1, [2], 0])
    return (
        values[i] if (i := rng.integers(20)) < len(values) else numbers[rng.integers(len(numbers))]
    )


def _changed(rng: np.random.Generator, data: bytes) -> bytes:
    out = bytearray(data or b"\0")
    out[rng.integers(len(out))] = rng.integers(256)
    return bytes(out)
