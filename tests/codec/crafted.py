"""Files whose checksum is right, whatever is in them."""

import hashlib
from collections.abc import Callable

from jaxcomp.codec.coder import Encoder
from jaxcomp.codec.container import MAGIC
from jaxcomp.codec.segments import trailer
from jaxcomp.codec.text import Text


def sealed(body: bytes, version: int) -> bytes:
    """A whole file with this body."""
    data = MAGIC + bytes([version]) + body
    return data + hashlib.blake2b(data, digest_size=8).digest()


def resealed(data: bytes) -> bytes:
    """A file after its checksum was made right again."""
    return sealed(data[5:-8], data[4])


def of_text(write: Callable[[Text], None], raw: bytes = b"") -> bytes:
    """A file of version 2 whose entropy-coded part is what `write` writes."""
    encoder = Encoder()
    write(Text(encoder))
    code = encoder.finish()
    return sealed(raw + code + trailer(len(raw), len(code), first=True), 2)


def of_facts(kind_and_type: int, *facts: int, name: bytes = b"w\1") -> bytes:
    """A file of version 2 with one name, and after it a byte and numbers."""

    def write(text: Text) -> None:
        for byte in name:
            text.byte(byte)
        text.byte(kind_and_type)
        for number in facts:
            text.number(number)

    return of_text(write)
