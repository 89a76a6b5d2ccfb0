"""Codes like `coder`, with loops that numba compiles (the extra `fast`): the same bytes, sooner.

The loops release Python's lock, so that threads can code at the same time.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxcomp.codec.coder import INVALID, Decoder, Encoder, finished, words_of
from jaxcomp.codec.compiled_rows import compiled_rows
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.range_kernels import (
    code_blocks,
    code_pairs,
    code_symbols,
    decode_bits,
    encode_bits,
)

_FULL = 2**64 - 1
_ROOM = 2**12  # room for words at first


class CompiledEncoder(Encoder):
    """Does what `Encoder` does."""

    def __init__(self, sink: Callable[[bytes], Any] | None = None) -> None:
        super().__init__(sink)
        self._restart()

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        del count
        assert symbols is not None
        if len(weights) > 1:
            self._make_room(symbols.size)
            seen = np.zeros(len(weights), np.int64)
            given = np.asarray(symbols, np.int32)
            weights = np.asarray(weights, np.float64)
            code_symbols(given, 0, weights, seen, False, self._words, self._state)
        return symbols

    def blocks(self, symbols: np.ndarray, ends: np.ndarray, *args: Any, known: bool) -> None:
        """Code blocks of symbols: see `code_blocks`."""
        self._make_room(symbols.size)
        symbols = np.ascontiguousarray(symbols)
        code_blocks(symbols, ends, *args, not known, self._words, self._state)

    def chain(self, symbols: np.ndarray, *args: Any, known: bool) -> None:
        """Code a chain of symbols: see `code_pairs`."""
        self._make_room(symbols.size)
        code_pairs(symbols, *args, not known, self._words, self._state)

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Coder`."""
        assert bits is not None
        self._make_room(len(ones))
        encode_bits(np.asarray(bits, bool), np.asarray(ones, np.int32), self._words, self._state)
        return bits

    def rows(self, out: np.ndarray, rows: np.ndarray, *args: Any, known: bool) -> None:
        """Code rows of a matrix: see `compiled_rows`."""
        # A level takes a bit, one for its sign, and one for each magnitude below its own.
        self._make_room(int(np.abs(out[rows].astype(np.int64)).sum() + 2 * out[rows].size))
        compiled_rows(self._words, self._state, self.budget, out, rows, *args, known=known)

    def position(self) -> tuple[int, int, int]:
        """See `Encoder`."""
        lower, width, words = map(int, self._state)
        return words, lower, width

    def finish(self) -> bytes:
        """See `Encoder`."""
        words, lower, width = self.position()
        code = finished(self._words[:words], lower, width)
        self._restart()
        return code

    def _restart(self) -> None:
        self._words = np.zeros(_ROOM, np.uint32)
        self._state = np.array([0, _FULL, 0], np.uint64)

    def _make_room(self, count: int) -> None:
        needed = int(self._state[2]) + count  # a symbol takes 24 bits at most: a word or none
        if self._words.size < needed:
            room = np.zeros(needed + self._words.size, np.uint32)
            room[: self._words.size] = self._words
            self._words = room


class CompiledDecoder(Decoder):
    """Does what `Decoder` does."""

    def start(self, raw: memoryview | bytes, code: memoryview | bytes) -> None:
        """See `Decoder`."""
        self._words, self._raw = words_of(code), raw
        first, second = (int(word) for word in [*self._words[:2], 0, 0][:2])
        self._state = np.array([first << 32 | second, _FULL, 2], np.uint64)

    def symbols(self, weights: np.ndarray, count: int, symbols: np.ndarray | None) -> np.ndarray:
        """See `Decoder`."""
        del symbols
        out = np.zeros(count, np.int32)
        if len(weights) > 1:
            seen = np.zeros(len(weights), np.int64)
            weights = np.asarray(weights, np.float64)
            _check(code_symbols(out, 0, weights, seen, True, self._words, self._state))
        return out

    def blocks(self, symbols: np.ndarray, ends: np.ndarray, *args: Any, known: bool) -> None:
        """Code blocks of symbols: see `code_blocks`."""
        out = symbols if symbols.flags.c_contiguous else np.empty_like(symbols, order="C")
        _check(code_blocks(out, ends, *args, not known, self._words, self._state))
        if out is not symbols:
            symbols[...] = out

    def chain(self, symbols: np.ndarray, *args: Any, known: bool) -> None:
        """Code a chain of symbols: see `code_pairs`."""
        _check(code_pairs(symbols, *args, not known, self._words, self._state))

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """See `Decoder`."""
        del bits
        out = np.zeros(len(ones), bool)
        _check(decode_bits(out, np.asarray(ones, np.int32), self._words, self._state))
        return out

    def rows(self, *args: Any, known: bool) -> None:
        """Code rows of a matrix: see `compiled_rows`."""
        compiled_rows(self._words, self._state, self.budget, *args, known=known)


def _check(valid: bool) -> None:
    if not valid:
        raise FormatError(INVALID)
