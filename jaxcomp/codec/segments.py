"""Splits the body of a file of version 2 into segments: raw bytes and entropy-coded ones.

A segment has its raw bytes, its coded bytes, and a trailer that is read from its end. The trailer
is a number: twice the length of the coded bytes, plus 1 if another segment is before this one. Only
in that case the length of the raw bytes follows.
"""

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import MAX_SEGMENTS
from jaxcomp.codec.trailing import read_trailing


def split(body: memoryview) -> list[tuple[memoryview, memoryview]]:
    """Return the raw and the coded bytes of all segments of a body, first to last.

    Raises:
      FormatError: if the lengths do not fit, or there are too many segments.
    """
    segments: list[tuple[memoryview, memoryview]] = []
    end, follows = len(body), True
    while follows:
        double, end = read_trailing(body, end)
        raw_bytes = None
        follows = bool(double & 1)
        if follows:
            raw_bytes, end = read_trailing(body, end)
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
