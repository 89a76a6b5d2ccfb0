"""Files that are made up, field by field and symbol by symbol, and sealed."""

import hashlib

import constriction
import msgpack
import numpy as np

from jaxcomp.codec.adaptive import MAX_MAGNITUDE
from jaxcomp.codec.coder import Encoder
from jaxcomp.codec.container import MAGIC
from jaxcomp.codec.dtypes import NAMES, dtype_of
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.facts import APART, SAME, Facts, Kind, code_facts
from jaxcomp.codec.layout import footer
from jaxcomp.codec.limits import Budget, Limits
from jaxcomp.codec.names import NEXT_SEGMENT, decode_names
from jaxcomp.codec.records import code_parts, decode_values, spend
from tests.codec.crafted import Dictated, Inventor, sealed, trailer

LIMITS = Limits(seconds=0.05)  # of a file that is made up
_NUMBERS = (0, 1, 2, 3, 7, 8, 31, 32, 33, 127, 128, 129, 255, 256, 2**15 - 1, 2**15, 2**15 + 1)
_LARGE = (2**16, 2**20, 2**31, 2**32, 2**36, 2**62, 2**63 - 1)


def of_version_2(rng: np.random.Generator) -> bytes:
    """A file of up to three arrays: some have a field that does not fit."""
    stream, hints, body = _Stream(rng), {}, b""
    stream.text.to_come += _script(rng) + b"\3"
    try:
        while (found := decode_names(stream.text)) is not None:
            if found is NEXT_SEGMENT:
                body += _segment(stream, first=not body)
            elif not found[1]:
                facts = code_facts(stream.text, None)
                spend(stream.coder.budget, facts)
                decode_values(stream.coder, facts, hints)
    except FormatError:
        pass  # the reader comes to the same place
    return sealed(body + _segment(stream, first=not body), 2)


def of_version_3(rng: np.random.Generator) -> bytes:
    """A file of up to four arrays, some apart or the same as others, some of which do not fit."""
    stream, hints, parts = _Stream(rng), {}, []
    text, shared = stream.text, sorted({int(n) for n in rng.integers(4, size=4)})
    try:
        for i in range(rng.integers(1, 5)):
            text.to_come += _names(rng, i, end=b"\1")
            decode_names(text)
            match rng.integers(5) // 2:
                case 0:
                    text.to_come += _facts(rng)
                    facts = code_facts(text, None)
                    spend(stream.coder.budget, facts)
                    decode_values(stream.coder, facts, hints)
                case 1:
                    text.to_come += bytes([APART]) + _facts(rng)
                    text.byte(None)
                    facts = code_facts(text, None)
                    lengths = _parts(rng, facts, parts)
                    for number in (len(lengths) // 2, *lengths):
                        odd = rng.integers(40) == 0
                        text.number(int(rng.choice(_NUMBERS)) if odd else number)
                case 2:
                    text.byte(SAME)
                    text.number(int(rng.integers(1, i + 2)))
        text.byte(3)
    except FormatError:
        pass
    raw, code = stream.finish()
    digests = b"".join(hashlib.blake2b(part, digest_size=8).digest() for part in parts)
    # Of which the first that is none of those of the file is left out, most of the time.
    number = len(parts) + int(rng.integers(30) == 0)
    rest = digests + raw + code + footer(len(raw), len(code), number, shared)
    start = MAGIC + b"\3"
    end = hashlib.blake2b(start + rest, digest_size=8).digest()
    return start + b"".join(parts) + rest + end


class _Stream:
    """Symbols that are made up, with the text that it is told."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._raw: list[bytes] = []
        self._encoder = Encoder(self._raw.append)
        self._encoder.budget = Budget(256, LIMITS)
        self.coder, self.text = Inventor(self._encoder, rng), Dictated(self._encoder)

    def finish(self) -> tuple[bytes, bytes]:
        """Raw and coded bytes."""
        raw = b"".join(self._raw)
        self._raw.clear()
        return raw, self._encoder.finish()


def _parts(rng: np.random.Generator, facts: Facts, parts: list[bytes]) -> list[int]:
    """Make up the parts of an array, and return lengths of their coded and raw bytes."""
    many = facts.size > 1 and not facts.whole
    number = int(rng.integers(1, min(4, facts.size + 1))) if many else 1
    streams, lengths = [_Stream(rng) for _ in range(number)], []

    def each(code, numbers):
        for number in numbers:
            code(number)

    spend(streams[0].coder.budget, facts)
    code_parts(number, lambda i: streams[i].coder, lambda i, coder: None, facts, None, each)
    for stream in streams:
        raw, code = stream.finish()
        parts.append(raw + code)
        lengths += [len(code), len(raw)]
    return lengths


def _segment(stream: _Stream, *, first: bool) -> bytes:
    raw, code = stream.finish()
    return raw + code + trailer(len(raw), len(code), first=first)


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


def _script(rng: np.random.Generator) -> bytes:
    return b"".join(
        (b"\6" if rng.integers(16) == 0 else b"") + _names(rng, i) + _facts(rng)
        for i in range(rng.integers(1, 4))
    )


def _names(rng: np.random.Generator, number: int, end: bytes | None = None) -> bytes:
    digit = str(number).encode()
    names = (
        b"w" + digit,
        b"layer\0" + digit,
        b"\4" + digit,
        b"\0" * number + digit,
        b"\5\1" + digit,
    )
    if end is None:
        end = b"\1" if rng.integers(32) else bytes([rng.integers(7)])
    return names[rng.integers(len(names))] + end


def _facts(rng: np.random.Generator) -> bytes:
    kind = Kind(int(rng.integers(len(Kind))))
    axes = int(rng.integers(2 if kind == Kind.STEPS else 0, 5))
    fields = [axes, *(int(rng.integers(0 if rng.integers(8) == 0 else 1, 5)) for _ in range(axes))]
    types = range(len(NAMES))
    largest = int(rng.choice([1, 2, 3, 7, 32, 128, 200, 2**15 if rng.integers(16) == 0 else 1]))
    low, high = (int(n) for n in rng.integers(largest + 1, size=2))
    if kind == Kind.FLOATS:
        types, highest = range(9, 13), int(rng.integers(32))
        fields += [highest, int(rng.integers(highest + 1))]
    elif kind == Kind.ARRANGED:
        fields.append(int(rng.integers(8)))
    elif kind == Kind.MIRRORED:
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
    if kind not in (Kind.PLAIN, Kind.ARRANGED):
        by_rows = kind != Kind.FLOATS and rng.integers(2)
        by_rows = by_rows and (kind == Kind.SPARSE or max(low, high) <= MAX_MAGNITUDE)
        scheme = int(rng.integers(8, 16) if by_rows else rng.integers(8 if axes > 1 else 1))
        fields += [scheme, int(rng.integers(1, 9))] if by_rows else [scheme]
        if not by_rows and rng.integers(2):
            fields[-1] += 16
            fields += [int(rng.integers(128)), int(rng.integers(6)), int(rng.integers(4))]
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
