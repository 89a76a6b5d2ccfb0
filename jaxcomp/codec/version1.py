"""Reads files of format version 1.

The body is the length of a header (4 bytes, little-endian), the header, and the payloads in the
order of its records. The header is the nested dict in msgpack with a record in place of each array:
`[type, shape, payload bytes]` for an array stored as it is, and a fourth element, the codebook as
bytes, for one stored as entropy-coded levels. The payload of such levels is the count of every
level but the last as LEB128 numbers, then the words of the range coder (uint32, little-endian)
under the static model that the counts define.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgpack
import numpy as np

from jaxcomp.codec.coder import decode_words
from jaxcomp.codec.dtypes import dtype_of
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.levels import MAX_VALUES
from jaxcomp.codec.limits import (
    LIMITS,
    MAX_AXES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MEMORY_OF_ARRAY,
    Budget,
)

_FREE_BYTES = 2**26  # bytes of arrays; beyond it, limits are those of later versions

# Bytes of memory and nanoseconds for each byte of the header.
_HEADER_MEMORY, _HEADER_WORK = 256, 5_000
_WORK, _WORK_OF_ENTRY = 300_000, 100


class _Record(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    payload_bytes: int
    codebook: np.ndarray | None  # shape [k], k <= 256; None for an array stored as it is


def read_arrays(body: memoryview, budget: Budget) -> Iterator[tuple[tuple, np.ndarray | None, int]]:
    """Yield the names, the array (None for an empty dict) and the payload bytes of each array.

    Raises:
      FormatError: if the body is not that of a file of version 1, or exceeds the budget.
    """
    header, payloads = _split(body, budget)
    parsed = list(_parse(header, ()))
    arrays = [record for _, record in parsed if record is not None]
    declared = sum(record.payload_bytes for record in arrays)
    if declared != len(payloads):
        raise FormatError(f"{declared} bytes of weights are declared, {len(payloads)} are there")
    size = sum(math.prod(record.shape) * record.dtype.itemsize for record in arrays)
    allowed = _FREE_BYTES + LIMITS["arrays"].per_byte * len(body)
    if size > allowed:
        raise FormatError(f"{size} bytes of arrays are declared, beyond the limit of {allowed}")
    start = 0
    for names, record in parsed:
        if record is None:
            yield names, None, 0
            continue
        end = start + record.payload_bytes
        size = math.prod(record.shape)
        # Beside the array there are its levels, which some readers want.
        budget.work(_WORK + _WORK_OF_ENTRY * size)
        budget.need((record.dtype.itemsize + 2) * size)
        try:
            array = _decode_array(record, payloads[start:end])
        except FormatError as error:
            raise FormatError(f"{'/'.join(map(str, names))!r}: {error}") from error
        budget.keep(MEMORY_OF_ARRAY + max(record.dtype.itemsize, 2) * size)
        yield names, array, record.payload_bytes
        start = end


def _split(body: memoryview, budget: Budget) -> tuple[dict[str | int, Any], memoryview]:
    header_bytes = int.from_bytes(body[:4], "little")
    if len(body) < 4 or 4 + header_bytes > len(body):
        raise FormatError(f"a header of {header_bytes} bytes is declared, beyond the file's end")
    budget.hold(_HEADER_MEMORY * header_bytes)
    budget.work(_HEADER_WORK * header_bytes)
    try:
        header = msgpack.unpackb(
            body[4 : 4 + header_bytes], strict_map_key=False, object_pairs_hook=_no_duplicates
        )
    except FormatError:
        raise
    except (ValueError, TypeError) as error:
        raise FormatError(f"the header is not valid msgpack: {error}") from error
    if not isinstance(header, dict):
        raise FormatError(f"the header is a {type(header).__name__} instead of a dict")
    return header, body[4 + header_bytes :]


def _no_duplicates(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    out = {}
    for key, value in pairs:
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise FormatError(f"a name in the header is a {type(key).__name__}")
        if key in out:
            raise FormatError(f"the name {key!r} occurs twice")
        out[key] = value
    return out


def _parse(node: dict[str | int, Any], names: tuple) -> Iterator[tuple[tuple, _Record | None]]:
    if len(names) > MAX_DEPTH:
        raise FormatError(f"the names are nested more than {MAX_DEPTH} deep")
    if names and not node:
        yield names, None
    for key, child in node.items():
        path = (*names, key)
        if isinstance(child, dict):
            yield from _parse(child, path)
        elif isinstance(child, list):
            try:
                yield path, _parse_record(child)
            except FormatError as error:
                raise FormatError(f"{'/'.join(map(str, path))!r}: {error}") from error
        else:
            raise FormatError(
                f"{'/'.join(map(str, path))!r} is a {type(child).__name__}, not a record"
            )


def _parse_record(fields: list[Any]) -> _Record:
    if len(fields) not in (3, 4):
        raise FormatError(f"a record has {len(fields)} fields instead of 3 or 4")
    code, shape, payload_bytes = fields[:3]
    if not isinstance(shape, list) or not all(map(_is_size, [code, payload_bytes, *shape])):
        raise FormatError("a record's type, shape and length are not all non-negative integers")
    if len(shape) > MAX_AXES or math.prod(n for n in shape if n) > MAX_ELEMENTS:
        raise FormatError(f"an array of shape {shape} is beyond the limits of the format")
    dtype, elements = dtype_of(code), math.prod(shape)
    if len(fields) == 3:
        if payload_bytes != elements * dtype.itemsize:
            raise FormatError(
                f"{payload_bytes} bytes are declared for an array of shape {shape} and type {dtype}"
            )
        return _Record(dtype, tuple(shape), payload_bytes, None)
    codebook = fields[3]
    if not isinstance(codebook, bytes) or len(codebook) % dtype.itemsize:
        raise FormatError(f"a codebook does not consist of values of type {dtype}")
    if not 1 <= len(codebook) // dtype.itemsize <= MAX_VALUES:
        raise FormatError(f"a codebook of {len(codebook)} bytes has no or more than 256 values")
    return _Record(dtype, tuple(shape), payload_bytes, np.frombuffer(codebook, dtype))


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _decode_array(record: _Record, payload: memoryview) -> np.ndarray:
    native = record.dtype.newbyteorder("=")
    if record.codebook is None:
        return np.frombuffer(payload, record.dtype).astype(native).reshape(record.shape)
    array = np.empty(math.prod(record.shape), native)
    for part, levels in _decode_levels(payload, math.prod(record.shape), len(record.codebook)):
        array[part] = record.codebook[levels]
    return array.reshape(record.shape)


def _decode_levels(
    payload: memoryview, count: int, alphabet: int
) -> Iterator[tuple[slice, np.ndarray | int]]:
    """Yield the levels of an array, part by part."""
    counts, rest = np.zeros(alphabet, np.int64), payload
    for level in range(alphabet - 1):
        counts[level], rest = _read_leb128(rest)
    counts[-1] = count - counts[:-1].sum()
    if counts[-1] < 0:
        raise FormatError(f"the level counts add up to more than the {count} weights declared")
    if len(rest) % 4:
        raise FormatError(f"the entropy-coded part has {len(rest)} bytes, not a multiple of 4")
    if alphabet < 2 or count == 0:
        if rest:
            raise FormatError("bytes are left over after a tensor without entropy-coded levels")
        yield slice(None), 0
        return
    words, found = np.frombuffer(rest, "<u4").astype(np.uint32), np.zeros(alphabet, np.int64)
    for part, levels in decode_words(words, counts, count):
        found += np.bincount(levels, minlength=alphabet)
        yield part, levels
    if not np.array_equal(found, counts):
        raise FormatError("the entropy-coded levels do not have the counts declared for them")


def _read_leb128(data: memoryview) -> tuple[int, memoryview]:
    number = 0
    for position, byte in enumerate(data[:6]):  # 42 bits suffice for counts far beyond any memory
        number |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return number, data[position + 1 :]
    raise FormatError("a level count is cut off or larger than any tensor")
