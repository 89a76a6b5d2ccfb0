"""Lays out a file of version 3: parts of arrays, then the main stream, then a footer.

| bytes | what                                                                                  |
|-------|---------------------------------------------------------------------------------------|
| ...   | parts of large arrays, each with its raw bytes and its coded ones                     |
| 8 P   | BLAKE2b-64 of each part                                                               |
| r     | main stream: raw bytes                                                                |
| n     | main stream: coded bytes                                                              |
| ...   | footer, read from the end: the number 2 n, plus 1 if more follows; then r, P, how     |
|       | many arrays of the main stream later ones repeat, and the places of those arrays      |
"""

from typing import NamedTuple

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.trailing import read_trailing, trailing

PART_DIGEST = 8  # bytes


class Footer(NamedTuple):
    """Holds the lengths of everything before the footer."""

    code_bytes: int
    raw_bytes: int | None  # None: everything before the code
    parts: int
    shared: tuple[int, ...]  # places of arrays that later ones repeat, ascending
    size: int  # bytes of the footer


def footer(raw_bytes: int, code_bytes: int, parts: int, shared: list[int]) -> bytes:
    """Return the footer of a file."""
    if not parts and not shared:
        return trailing(2 * code_bytes)
    numbers = [2 * code_bytes + 1, raw_bytes, parts, len(shared), *shared]
    return b"".join(map(trailing, reversed(numbers)))


def read_footer(data: memoryview) -> Footer:
    """Read the footer at the end of some bytes.

    Raises:
      FormatError: if there is none, or only a part of it.
    """
    double, end = read_trailing(data, len(data))
    if not double & 1:
        return Footer(double >> 1, None, 0, (), len(data) - end)
    raw_bytes, end = read_trailing(data, end)
    parts, end = read_trailing(data, end)
    count, end = read_trailing(data, end)
    shared: list[int] = []
    for _ in range(count):
        place, end = read_trailing(data, end)
        if shared and place <= shared[-1]:
            raise FormatError("the places of shared arrays are not ascending")
        shared.append(place)
    return Footer(double >> 1, raw_bytes, parts, tuple(shared), len(data) - end)
