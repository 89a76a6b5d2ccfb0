"""Files whose checksum is right, whatever is in them."""

import hashlib
from collections.abc import Callable

import numpy as np

from jaxcomp.codec.coder import Coder, Encoder
from jaxcomp.codec.container import MAGIC
from jaxcomp.codec.text import Text
from jaxcomp.codec.trailing import trailing


def sealed(body: bytes, version: int) -> bytes:
    """A whole file with this body."""
    data = MAGIC + bytes([version]) + body
    return data + hashlib.blake2b(data, digest_size=8).digest()


def resealed(data: bytes) -> bytes:
    """A file after its checksum was made right again."""
    return sealed(data[5:-8], data[4])


def trailer(raw_bytes: int, code_bytes: int, *, first: bool) -> bytes:
    """What ends a segment of version 2."""
    if first:
        return trailing(2 * code_bytes)
    return trailing(raw_bytes) + trailing(2 * code_bytes + 1)


def of_coded(
    write: Callable[[Encoder, Text], None],
    raw: bytes = b"",
    file_bytes: int = 0,
    version: int = 3,
):
    """A file without parts of arrays whose entropy-coded bytes are what `write` writes.

    It gets zeros at the end of that part until it has `file_bytes`, or two more.
    """
    parts = [raw]
    encoder = Encoder(parts.append)
    write(encoder, Text(encoder))
    raw, code = b"".join(parts), encoder.finish()
    code += bytes(max(0, file_bytes - len(raw) - len(code) - 14))
    return sealed(raw + code + trailer(len(raw), len(code), first=True), version)


def of_text(write: Callable[[Text], None], raw: bytes = b"", version: int = 3) -> bytes:
    """A file whose entropy-coded bytes are the text that `write` writes."""
    return of_coded(lambda encoder, text: write(text), raw, version=version)


def write_bytes(text: Text, data: bytes) -> None:
    """Write bytes as they are."""
    for byte in data:
        text.byte(byte)


def of_facts(kind_and_type: int, *facts: int, name: bytes = b"w\1", version: int = 3) -> bytes:
    """A file with one name, and after it a byte and numbers."""

    def write(text: Text) -> None:
        write_bytes(text, name)
        text.byte(kind_and_type)
        for number in facts:
            text.number(number)

    return of_text(write, version=version)


class Inventor(Coder):
    """A coder that makes up what a reader asks for, and writes it down.

    What is read with it from a text of its own is a file that holds just that.
    """

    def __init__(self, encoder: Encoder, rng: np.random.Generator) -> None:
        self._encoder, self._rng, self.budget = encoder, rng, encoder.budget

    def symbols(self, weights: np.ndarray, count: int, symbols: None) -> np.ndarray:
        """Symbols that are likely or, at times, all alike or any."""
        del symbols
        match self._rng.integers(4):
            case 0:
                found = np.full(count, self._rng.integers(len(weights)))
            case 1:
                found = self._rng.integers(len(weights), size=count)
            case _:
                found = self._rng.choice(len(weights), count, p=weights / weights.sum())
        return self._encoder.symbols(weights, count, found.astype(np.int32))

    def bits(self, ones: np.ndarray, bits: None) -> np.ndarray:
        """Bits that are likely or, at times, any."""
        del bits
        share = 0.5 if self._rng.integers(3) == 0 else ones / 2**24
        return self._encoder.bits(ones, self._rng.random(len(ones)) < share)

    def raw(self, count: int, data: None) -> bytes:
        """Any bytes."""
        del data
        return self._encoder.raw(count, self._rng.bytes(count))


class Dictated(Text):
    """A text that reads what it is told to, and writes it down; after that, the end."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        self.to_come = bytearray()

    def byte(self, value: int | None) -> int:
        """Code the next byte."""
        if value is None:
            value = self.to_come.pop(0) if self.to_come else 3
        return super().byte(value)

    def symbol(self, alphabet: int, value: int | None) -> int:
        """Code the next byte, or the rest of it, as one of some numbers."""
        if value is None:
            value = self.to_come.pop(0) % alphabet if self.to_come else 0
        return super().symbol(alphabet, value)
