"""The range coder: symbols to bytes and back.

This is the only module that knows the library that codes. A model of the data is written once, as
a function of a coder: an `Encoder` is given the symbols and hands them back, a `Decoder` is given
None in their place and finds them. Both must therefore see the same models in the same order.
"""

from collections.abc import Callable
from typing import Any, Protocol

import constriction
import numpy as np

from jaxcomp.codec.errors import FormatError

# All models hand over integers below 2^24, which float32 holds exactly: no rounding but that of
# the coder itself, and the same on every machine.
PRECISION = 24


class Coder(Protocol):
    """What models need of an `Encoder` or a `Decoder`."""

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """Symbols of `[0, K)`, int32 of shape [count], with probabilities `weights / sum`, [K]."""

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """Bits, bool of shape [n]; each is one with probability `ones / 2^24`, shape [n]."""

    def raw(self, count: int, data: bytes | None) -> bytes:
        """`count` bytes as they are."""


class Encoder:
    """Symbols to bytes; bytes as they are go to `sink` at once."""

    def __init__(self, sink: Callable[[bytes], Any] | None = None) -> None:
        self._range = constriction.stream.queue.RangeEncoder()
        self._sink = sink

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        del count
        if len(weights) > 1:
            self._range.encode(symbols.astype(np.int32), _categorical(weights))
        return symbols

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        if len(ones):
            self._range.encode(bits.astype(np.int32), _BITS, _pairs(ones))
        return bits

    def raw(self, count: int, data: bytes | None) -> bytes:
        """See `Coder`."""
        del count
        self._sink(data)
        return data

    @property
    def size(self) -> int:
        """Bits of all symbols up to now."""
        return self._range.num_bits()

    def finish(self) -> bytes:
        """The shortest bytes that decode to the symbols, if zeros are read after their end.

        The encoder then is as it was before the first symbol.
        """
        words = self._range.get_compressed()
        position, (lower, width) = self._range.pos()
        self._range = constriction.stream.queue.RangeEncoder()
        # Any number in [lower, lower + width) ends the code: take one of the fewest bytes. One
        # beyond 64 bits would change the words before it.
        for size in range(9):
            unit = 1 << (64 - 8 * size)
            number = -(-lower // unit) * unit
            if number < min(lower + width, 2**64):
                break
        return (words[:position].astype(">u4").tobytes() + number.to_bytes(8, "big")).rstrip(b"\0")


class Decoder:
    """Bytes to symbols."""

    def __init__(self, code: bytes = b"", raw: memoryview | bytes = b"") -> None:
        self.start(raw, code)

    def start(self, raw: memoryview | bytes, code: memoryview | bytes) -> None:
        """Go on with other bytes."""
        words = np.frombuffer(bytes(code) + bytes(-len(code) % 4), ">u4").astype(np.uint32)
        self._range = constriction.stream.queue.RangeDecoder(words)
        self._raw = raw

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Coder`.

        Raises:
          FormatError: if no symbols have the code.
        """
        del symbols
        if len(weights) == 1:
            return np.zeros(count, np.int32)
        try:
            return self._range.decode(_categorical(weights), count)
        except AssertionError as error:  # how the library reports an impossible word
            raise FormatError("the entropy-coded part is not a valid code") from error

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Coder`; errors as `symbols`."""
        del bits
        if not len(ones):
            return np.zeros(0, bool)
        try:
            return self._range.decode(_BITS, _pairs(ones)).astype(bool)
        except AssertionError as error:
            raise FormatError("the entropy-coded part is not a valid code") from error

    def raw(self, count: int, data: bytes | None) -> bytes:
        """See `Coder`.

        Raises:
          FormatError: if there are fewer.
        """
        del data
        if count > len(self._raw):
            raise FormatError(f"{count} raw bytes are declared, {len(self._raw)} are left")
        data, self._raw = bytes(self._raw[:count]), self._raw[count:]
        return data

    @property
    def raw_left(self) -> int:
        """Number of raw bytes that have not been read."""
        return len(self._raw)


class MeteringDecoder(Decoder):
    """A decoder that knows what the symbols up to now have cost."""

    def __init__(self, code: bytes = b"", raw: memoryview | bytes = b"") -> None:
        super().__init__(code, raw)
        self.spent = 0.0  # bytes

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        symbols = super().symbols(weights, count, symbols)
        times = np.bincount(symbols, minlength=len(weights))
        self.spent += float(times @ np.log2(weights.sum() / weights)) / 8
        return symbols

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        bits = super().bits(ones, bits)
        likely = np.where(bits, ones, (1 << PRECISION) - ones) / (1 << PRECISION)
        self.spent -= float(np.log2(likely).sum()) / 8
        return bits

    def raw(self, count: int, data: bytes | None) -> bytes:
        """See `Coder`."""
        self.spent += count
        return super().raw(count, data)


# `perfect` has to be set: its default will change.
_BITS = constriction.stream.model.Categorical(perfect=False)


def _categorical(weights: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(weights.astype(np.float64), perfect=False)


def _pairs(ones: np.ndarray) -> np.ndarray:
    pairs = np.empty((len(ones), 2), np.float32)
    pairs[:, 1] = ones
    pairs[:, 0] = (1 << PRECISION) - ones
    return pairs
