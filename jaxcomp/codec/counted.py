"""Independent symbols of unknown frequencies."""

import numpy as np

from jaxcomp.codec.coder import Coder

SEEN = 64  # weight of an observation
_FIRST_BLOCK = 4
_GROWTH = 4  # a block is a quarter of what came before it


def code_counted(
    coder: Coder,
    alphabet: int,
    count: int,
    symbols: np.ndarray | None,
    *,
    low: int = 0,
    prior: np.ndarray | None = None,
) -> np.ndarray:
    """Code symbols of `[low, low + alphabet)`, shape [count], as draws from one distribution.

    They are coded in blocks that grow with what came before: each block has the frequencies of all
    symbols before it. No table is stored, and a block of any length is one call of the coder.

    Args:
      coder: see `Coder`.
      alphabet: number of different symbols.
      count: number of symbols.
      symbols: what to encode.
      low: the smallest symbol.
      prior: what to add to the frequencies, integers >= 1 of shape [alphabet] in units of 1/64
        observation.

    Returns:
      The symbols, int16 of shape [count] if they were decoded.
    """
    weights = np.full(alphabet, max(1, min(32, 512 // alphabet))) if prior is None else prior.copy()
    out = np.empty(count, np.int16) if symbols is None else symbols
    done = 0
    while done < count:
        block = slice(done, min(count, done + max(_FIRST_BLOCK, done // _GROWTH)))
        size = block.stop - done
        known = None if symbols is None else symbols[block].astype(np.int32) - low
        known = coder.symbols(weights, size, known)
        if symbols is None:
            out[block] = known + low
        weights = weights + SEEN * np.bincount(known, minlength=alphabet)
        done = block.stop
    return out
