"""Holds the range coder, which turns symbols into bytes and back.

This is the only module that knows the library that codes. A model of the data is written once, as
a function of a coder. An `Encoder` is given the symbols and returns them; a `Decoder` is given None
in their place and finds them. Both must therefore see the same models in the same order.
"""

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import constriction
import numpy as np

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import Budget

# All models return integers below 2^24, which float32 holds exactly. Only the coder itself rounds,
# the same on every machine.
PRECISION = 24
_TOGETHER = 2**17  # symbols of a long code that are decoded at a time
INVALID = "the entropy-coded part is not a valid code"


class Coder(Protocol):
    """Does what models need of an `Encoder` or a `Decoder`.

    Attributes:
      budget: counts the work and the memory of the models.
      blocks, chain, rows: code many symbols in one call, where loops are compiled, or None; see
        `CompiledEncoder`.
    """

    budget: Budget
    blocks: Callable[..., None] | None = None
    chain: Callable[..., None] | None = None
    rows: Callable[..., None] | None = None

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """Code symbols of `[0, K)`, int32 [count], with probabilities `weights / sum`, [K]."""

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """Code bits, bool [n]; each is one with probability `ones / 2^24`, [n]."""

    def raw(self, count: int, data: bytes | None) -> bytes | memoryview:
        """Code `count` bytes as they are."""


class Encoder(Coder):
    """Turns symbols into bytes; bytes that are not modeled go to `sink` at once."""

    def __init__(self, sink: Callable[[bytes], Any] | None = None) -> None:
        self.budget = Budget()
        self._range = constriction.stream.queue.RangeEncoder()
        self._sink = sink

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        del count
        assert symbols is not None
        if len(weights) > 1:
            self._range.encode(symbols.astype(np.int32), _categorical(weights))
        return symbols

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        assert bits is not None
        if len(ones):
            self._range.encode(bits.astype(np.int32), _BITS, _pairs(ones))
        return bits

    def raw(self, count: int, data: bytes | None) -> bytes:
        """See `Coder`."""
        del count
        assert self._sink is not None
        assert data is not None
        self._sink(data)
        return data

    def position(self) -> tuple[int, int, int]:
        """Return how many words are complete, and where the interval starts and how wide it is."""
        words, (lower, width) = self._range.pos()
        return words, lower, width

    @property
    def size(self) -> int:
        """Return the bits of all symbols up to now."""
        words, _, width = self.position()
        return 32 * words + 64 - width.bit_length()

    def finish(self) -> bytes:
        """Return the shortest bytes that decode to the symbols, if zeros are read after their end.

        Afterwards the encoder is as it was before the first symbol.
        """
        words, lower, width = self.position()
        code = finished(self._range.get_compressed()[:words], lower, width)
        self._range = constriction.stream.queue.RangeEncoder()
        return code


class Decoder(Coder):
    """Turns bytes into symbols."""

    def __init__(
        self,
        code: memoryview | bytes = b"",
        raw: memoryview | bytes = b"",
        budget: Budget | None = None,
    ) -> None:
        self.budget = Budget() if budget is None else budget
        self.start(raw, code)

    def start(self, raw: memoryview | bytes, code: memoryview | bytes) -> None:
        """Continue with other bytes."""
        self._range = constriction.stream.queue.RangeDecoder(words_of(code))
        self._raw = raw

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Coder`.

        Raises:
          FormatError: if the code is not that of any symbols.
        """
        del symbols
        if len(weights) == 1:
            return np.zeros(count, np.int32)
        try:
            return self._range.decode(_categorical(weights), count)
        except AssertionError as error:  # the library reports an impossible word so
            raise FormatError(INVALID) from error

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Coder`; errors as `symbols`."""
        del bits
        if not len(ones):
            return np.zeros(0, bool)
        try:
            return self._range.decode(_BITS, _pairs(ones)).astype(bool)
        except AssertionError as error:
            raise FormatError(INVALID) from error

    def raw(self, count: int, data: bytes | None) -> bytes | memoryview:
        """See `Coder`.

        Raises:
          FormatError: if fewer bytes are left.
        """
        del data
        if count > len(self._raw):
            raise FormatError(f"{count} raw bytes are declared, {len(self._raw)} are left")
        data, self._raw = self._raw[:count], self._raw[count:]
        return data

    @property
    def raw_left(self) -> int:
        """Return the number of raw bytes that have not been read."""
        return len(self._raw)


class MeteringDecoder(Decoder):
    """Decodes, and knows what the symbols up to now have cost."""

    spent = 0.0  # bytes

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        symbols = super().symbols(weights, count, symbols)
        if count == 1:
            self.spent += math.log2(weights.sum() / weights[symbols[0]]) / 8
            return symbols
        times = np.bincount(symbols)
        found = np.flatnonzero(times)
        self.spent += float(times[found] @ np.log2(weights.sum() / weights[found])) / 8
        return symbols

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        bits = super().bits(ones, bits)
        likely = np.where(bits, ones, (1 << PRECISION) - ones) / (1 << PRECISION)
        self.spent -= float(np.log2(likely).sum()) / 8
        return bits

    def raw(self, count: int, data: bytes | None) -> bytes | memoryview:
        """See `Coder`."""
        self.spent += count
        return super().raw(count, data)


def finished(words: np.ndarray, lower: int, width: int) -> bytes:
    """Return the shortest bytes that begin with words and end in an interval, less final zeros."""
    # Any number in [lower, lower + width) ends the code: take the shortest. A number beyond 64 bits
    # would change the words before it.
    for size in range(9):
        unit = 1 << (64 - 8 * size)
        number = -(-lower // unit) * unit
        if number < min(lower + width, 2**64):
            break
    return (words.astype(">u4").tobytes() + number.to_bytes(8, "big")).rstrip(b"\0")


def words_of(code: memoryview | bytes) -> np.ndarray:
    """Return the words of some bytes, uint32; the last one is filled up with zeros."""
    words = np.zeros(-(-len(code) // 4), np.uint32)
    words.view(np.uint8)[: len(code)] = np.frombuffer(code, np.uint8)
    return words if sys.byteorder == "big" else words.byteswap(inplace=True)


def decode_words(
    words: np.ndarray, weights: np.ndarray, count: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Decode the symbols of `[0, K)` from the words of a coder with one model, part by part.

    Args:
      words: uint32, as stored in files of version 1.
      weights: of the symbols, [K] for K > 1; the model is `weights / sum`.
      count: the number of symbols.

    Returns:
      Pairs of a slice, the place of a part, and its symbols, int32.

    Raises:
      FormatError: if the code is not that of any symbols.
    """
    decoder = constriction.stream.queue.RangeDecoder(words)
    model = constriction.stream.model.Categorical(weights / weights.sum(), perfect=False)
    for start in range(0, count, _TOGETHER):
        part = slice(start, min(count, start + _TOGETHER))
        try:
            symbols = decoder.decode(model, part.stop - start)
        except AssertionError as error:  # the library reports an impossible word so
            raise FormatError("the entropy-coded levels are not a valid code") from error
        yield part, symbols


# `perfect` is set because its default will change.
_BITS = constriction.stream.model.Categorical(perfect=False)


def _categorical(weights: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(
        weights.astype(np.float64, copy=False), perfect=False
    )


def _pairs(ones: np.ndarray) -> np.ndarray:
    pairs = np.empty((len(ones), 2), np.float32)
    pairs[:, 1] = ones
    pairs[:, 0] = (1 << PRECISION) - ones
    return pairs
