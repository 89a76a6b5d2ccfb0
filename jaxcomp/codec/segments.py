"""Segments of a body: bytes as they are and entropy-coded ones, as much as is kept in memory.

A segment has its raw bytes, its coded bytes, and a trailer that is read from the end of it: a
number, twice the length of the coded bytes and 1 if a segment is before this one; then, only in
that case, the length of the raw bytes. Numbers have seven bits in a byte, the lowest in the last
byte, with bit 7 set if the byte before it belongs to the number too.
"""

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import MAX_SEGMENTS

MAX_CODE = 2**25  # bits of coded bytes after which a writer begins another segment

_LONGEST = 9  # bytes of a number


def trailer(raw_bytes: int, code_bytes: int, *, first: bool) -> bytes:
    """What ends a segment."""
    return _number(2 * code_bytes) if first else _number(raw_bytes) + _number(2 * code_bytes + 1)


def split(body: memoryview) -> list[tuple[memoryview, memoryview]]:
    """The raw and the coded bytes of all segments of a body, first to last.

    Raises:
      FormatError: if the lengths do not fit, or there are too many.
    """
    segments: list[tuple[memoryview, memoryview]] = []
    end, follows = len(body), True
    while follows:
        double, end = _read(body, end)
        raw_bytes = None
        follows = bool(double & 1)
        if follows:
            raw_bytes, end = _read(body, end)
        start = end - (double >> 1)
        begin = 0 if raw_bytes is None else start - raw_bytes
        if start < 0 or begin < 0:
            raise FormatError(
                f"a segment of {double >> 1} coded bytes is declared, beyond the file"
            )
        if len(segments) == MAX_SEGMENTS:
            raise FormatError(f"more than {MAX_SEGMENTS} segments")
        segments.append((body[begin:start], body[start:end]))
        end = begin
    return segments[::-1]


def _number(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(reversed(out))


def _read(body: memoryview, end: int) -> tuple[int, int]:
    """The number that ends before `end`, and where it begins."""
    number = 0
    for place in range(min(_LONGEST, end)):
        byte = body[end - 1 - place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, end - 1 - place
    raise FormatError("the length of a segment is missing")
