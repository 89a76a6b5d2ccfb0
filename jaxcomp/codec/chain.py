"""Codes short sequences of like neighbors: which rows are alive, and how dense they are."""

import numpy as np

from jaxcomp.codec.coder import Coder

_SEEN, _PRIOR = 4, 1  # the weight of an observation, and of a symbol before any
WORK = 15_000  # nanoseconds for each symbol
MEMORY = 48  # bytes for each symbol


def code_chain(
    coder: Coder,
    alphabet: int,
    count: int,
    *,
    period: int,
    hint: np.ndarray | None,
    symbols: np.ndarray | None,
) -> np.ndarray:
    """Code symbols of `[0, alphabet)`, shape [count], each given two before it, and return them.

    The context of a symbol is its hint and the rounded mean of two symbols: the one before it and
    the one `period` before it (0 where there is none). Its probabilities are proportional to
    `n(symbol, context) + 2 n(symbol) / n`, with counts of the symbols before it.

    Args:
      coder: see `Coder`.
      alphabet: number of different symbols.
      count: number of symbols.
      period: distance of the second symbol of the context, at least 1.
      hint: bool of shape [count], known to the encoder and the decoder, or None.
      symbols: the symbols to encode; None to decode.
    """
    coder.budget.work(WORK * count)
    if coder.chain is not None:
        out = np.zeros(count, np.int8) if symbols is None else symbols.astype(np.int8)
        hints = np.zeros(count, np.int64) if hint is None else hint.astype(np.int64)
        coder.chain(out, alphabet, period, hints, _SEEN, _PRIOR, known=symbols is not None)
        return out
    # These are lists of Python's numbers: arrays as short as these are several times slower.
    in_context = [[[0] * alphabet for _ in range(alphabet)] for _ in range(2)]
    overall, total = [_PRIOR] * alphabet, _PRIOR * alphabet
    out = np.zeros(count, np.int8)
    before = 0
    for i in range(count):
        earlier = int(out[i - period]) if i >= period else 0
        seen = in_context[0 if hint is None else int(hint[i])][(before + earlier + 1) // 2]
        weights = [here * total + 2 * all_ for here, all_ in zip(seen, overall, strict=True)]
        one = None if symbols is None else symbols[i : i + 1]
        before = int(coder.symbols(np.array(weights, np.float64), 1, one)[0])
        out[i] = before
        seen[before] += 1
        overall[before] += _SEEN
        total += _SEEN
    return out
