"""Codes numbers that are read from the end of bytes.

A number has seven bits in a byte, the lowest in the last byte. Bit 7 is set if the byte before it
belongs to the number too.
"""

from jaxcomp.codec.errors import FormatError

_LONGEST = 9  # bytes of the longest number


def trailing(number: int) -> bytes:
    """Return the bytes of a number that is read from its end."""
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(reversed(out))


def read_trailing(data: memoryview, end: int) -> tuple[int, int]:
    """Return the number that ends before `end`, and where it begins.

    Raises:
      FormatError: if there is none.
    """
    number = 0
    for place in range(min(_LONGEST, end)):
        byte = data[end - 1 - place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, end - 1 - place
    raise FormatError("a length is missing at the end of the file")
