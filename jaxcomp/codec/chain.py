"""Short sequences in which neighbours are alike: which rows are alive, and how dense they are."""

import numpy as np

from jaxcomp.codec.coder import Coder

_SEEN, _PRIOR = 4, 1  # weight of an observation, and of a symbol before any


def code_chain(
    coder: Coder,
    alphabet: int,
    count: int,
    *,
    period: int,
    hint: np.ndarray | None,
    symbols: np.ndarray | None,
) -> np.ndarray:
    """Code symbols of `[0, alphabet)`, shape [count], each given two before it.

    The context of a symbol is the rounded mean of the symbol before it and the one `period` before
    it (0 where there is none), and its hint. Its probabilities are proportional to
    `n(symbol, context) + 2 n(symbol) / n`, with counts of what came before.

    Args:
      coder: see `Coder`.
      alphabet: number of different symbols.
      count: number of symbols.
      period: at least 1.
      hint: bool of shape [count] that both sides know, or None.
      symbols: what to encode.
    """
    hints = np.zeros(count, np.int64) if hint is None else hint.astype(np.int64)
    in_context = np.zeros((2, alphabet, alphabet))
    overall = np.full(alphabet, float(_PRIOR))
    out = [0] * count
    for i in range(count):
        before, earlier = (out[i - lag] if i >= lag else 0 for lag in (1, period))
        seen = in_context[hints[i], (before + earlier + 1) // 2]
        weights = seen * overall.sum() + 2 * overall
        one = None if symbols is None else symbols[i : i + 1]
        out[i] = int(coder.symbols(weights, 1, one)[0])
        seen[out[i]] += 1
        overall[out[i]] += _SEEN
    return np.array(out, np.int64)
