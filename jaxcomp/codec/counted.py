"""Codes independent symbols of unknown frequencies."""

import numpy as np

from jaxcomp.codec.coder import Coder
from jaxcomp.codec.dtypes import signed_dtype

SEEN = 64  # the weight of an observation
_FIRST_BLOCK = 4
_GROWTH = 4  # a block is a quarter as long as everything before it
_TOGETHER = 2**17  # symbols that are coded at a time

# Nanoseconds of a call of the coder, of each possible symbol, and of each symbol that is coded.
_CALL, _EACH_WEIGHT, _EACH_SYMBOL = 30_000, 12, 45


def code_counted(
    coder: Coder,
    alphabet: int,
    count: int,
    symbols: np.ndarray | None,
    *,
    low: int = 0,
    prior: np.ndarray | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Code symbols of `[low, low + alphabet)`, shape [count], as draws from one distribution.

    The symbols are coded in blocks, each a quarter as long as everything before it, with the
    frequencies of all symbols before it. No table is stored, and a block is one call of the coder.

    Args:
      coder: see `Coder`.
      alphabet: number of different symbols.
      count: number of symbols.
      symbols: the symbols to encode; None to decode.
      low: the smallest symbol.
      prior: integers >= 1 of shape [alphabet], added to the frequencies, in units of 1/64
        observation.
      out: the array to decode to, of shape [count].

    Returns:
      The symbols. If they were decoded without `out`, their type is the smallest signed one that
      holds all possible symbols.
    """
    weights = (first_weights(alphabet) if prior is None else prior).astype(np.int64)
    if symbols is not None:
        out = symbols
    elif out is None:
        out = np.empty(count, signed_dtype(low, low + alphabet - 1))
    ends = _block_ends(count)
    coder.budget.work(_work(ends, alphabet))
    if coder.blocks is not None:
        if alphabet > 1:
            coder.blocks(out, ends, low, weights, SEEN, known=symbols is not None)
        elif symbols is None:
            out[...] = low
        return out
    begin = 0
    for end in map(int, ends):
        seen = np.zeros(alphabet, np.int64)
        for start in range(begin, end, _TOGETHER):
            part = slice(start, min(end, start + _TOGETHER))
            known = None if symbols is None else symbols[part].astype(np.int32) - low
            known = coder.symbols(weights, part.stop - start, known)
            if symbols is None:
                out[part] = known + low
            seen += np.bincount(known, minlength=alphabet)
        weights += SEEN * seen
        begin = end
    return out


def first_weights(alphabet: int) -> np.ndarray:
    """Return what is added to the frequencies of symbols of which nothing is known."""
    return np.full(alphabet, max(1, min(32, 512 // alphabet)))


def _block_ends(count: int) -> np.ndarray:
    """Return where each block ends, the last one after `count` symbols."""
    ends, done = [], 0
    while done < count:
        done = min(count, done + max(_FIRST_BLOCK, done // _GROWTH))
        ends.append(done)
    return np.array(ends, np.int64)


def _work(ends: np.ndarray, alphabet: int) -> int:
    sizes = np.diff(ends, prepend=0)
    calls = int((-(-sizes // _TOGETHER)).sum())
    return calls * (_CALL + _EACH_WEIGHT * alphabet) + _EACH_SYMBOL * int(sizes.sum())


def entropy_bits(counts: np.ndarray) -> float:
    """Return the bits of symbols by their entropy, given how often each occurs, [n], all > 0."""
    return float(counts @ np.log2(counts.sum() / counts))


def count_symbols(symbols: np.ndarray, alphabet: int, low: int = 0) -> np.ndarray:
    """Count how often each of `[low, low + alphabet)` occurs, int64 of shape [alphabet]."""
    counts = np.zeros(alphabet, np.int64)
    for start in range(0, symbols.size, _TOGETHER):
        part = symbols[start : start + _TOGETHER].astype(np.int64) - low
        counts += np.bincount(part, minlength=alphabet)
    return counts
