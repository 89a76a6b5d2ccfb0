r"""Rounds weights with the error weighed against the bits (rate-distortion optimization).

For each weight it chooses the level `l` that minimizes

.. math:: (w - v_l)^2 / D + \lambda \, b_l, \qquad b_l = -\log_2 (n_l / n)

Here :math:`v_l` is the value of a level, and :math:`n_l` of the :math:`n` weights of the tensor
have it. The unit of error `D` is the squared step of a grid of multiples, or, for a table of
values, the mean squared error of rounding to the nearest. The counts follow from the choice, so
both are computed in turns until nothing changes. :math:`\lambda = 0` leaves the rounding as it is.
"""

import math

import numpy as np

from jaxcomp.codec.grid import MAX_LEVEL, multiples
from jaxcomp.codec.levels import FewValued, negatives

ROUNDS = 20
_TOGETHER = 2**20  # entries that are processed at a time


def rate_distortion(w: np.ndarray, rounded: FewValued, weight: float) -> FewValued:
    r"""Move the levels of rounded weights towards zero where that saves enough bits.

    Args:
      w: floating-point NumPy array of any shape.
      rounded: its levels, the nearest or (ternary) any; zeros stay zeros.
      weight: :math:`\lambda \ge 0`: the error, in units of `D`, that a bit is worth.

    Returns:
      The levels, and the codebook. The values of a table move to the means of their weights.

    Raises:
      ValueError: if :math:`\lambda` is negative or not finite.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.quantize.scalar import step_levels
      >>> w = np.array([0.2, 0.9, -0.6, 0.1, 0.3, 0.0])
      >>> rounded = step_levels(w, 1.0)
      >>> rounded.levels.tolist(), rate_distortion(w, rounded, 0.2).levels.tolist()
      ([0, 1, -1, 0, 0, 0], [0, 1, 0, 0, 0, 0])
    """
    if not 0 <= weight < math.inf:
        raise ValueError(f"lambda must be at least 0 and finite, got {weight}")
    if weight == 0 or not w.size:
        return rounded
    levels, codebook = rounded
    unit = _unit(w, rounded)
    for _ in range(ROUNDS):
        changed = _best(w, rounded, unit, weight * _bits(levels, rounded))
        if np.array_equal(changed, levels):
            break
        levels = changed
    if codebook.ndim == 1:
        return FewValued(levels, _refitted(w, levels, codebook))
    return FewValued(levels, codebook)


def cost(w: np.ndarray, chosen: FewValued, rounded: FewValued, weight: float) -> float:
    """Return the sum that is minimized, with the frequencies of the chosen levels."""
    bits = _bits(chosen.levels, rounded)[chosen.levels - _lowest(rounded)]
    error = (w.astype(np.float64) - chosen.values().astype(np.float64)) ** 2
    return float((error / _unit(w, rounded) + weight * bits).sum())


def _unit(w: np.ndarray, rounded: FewValued) -> np.ndarray:
    if rounded.codebook.ndim != 1:
        return rounded.codebook.astype(np.float64) ** 2
    error = (w.astype(np.float64) - rounded.values().astype(np.float64)) ** 2
    return np.asarray(error.mean() or 1.0)


def _lowest(rounded: FewValued) -> int:
    return min(0, int(rounded.levels.min()))


def _bits(levels: np.ndarray, rounded: FewValued) -> np.ndarray:
    """Return bits of each level from the lowest of the rounding (or 0) to the highest (or 0)."""
    low, high = _lowest(rounded), max(0, int(rounded.levels.max()))
    counts = np.bincount((levels.astype(np.int64) - low).ravel(), minlength=high - low + 1)
    # A level that was given up counts half an occurrence: it may come back, at its price.
    return -np.log2(np.maximum(counts, 0.5) / levels.size)


def _best(w: np.ndarray, rounded: FewValued, unit: np.ndarray, prices: np.ndarray) -> np.ndarray:
    low, highest = _lowest(rounded), MAX_LEVEL
    if rounded.codebook.ndim == 1:
        highest = rounded.codebook.size - 1 - negatives(rounded.codebook)  # -1: all are negative
    out = np.empty(w.shape, np.int16)
    rows = max(1, _TOGETHER // max(1, w[:1].size)) if w.ndim else 1
    parts = [slice(start, start + rows) for start in range(0, len(w), rows)] if w.ndim else [()]
    for part in parts:
        at = rounded.levels[part] != 0  # zeros stay zeros
        nearest = rounded.levels[part][at].astype(np.int64)
        codebook, scale = (_of_entries(a, part, at) for a in (rounded.codebook, unit))
        wide = w[part][at].astype(np.float64)
        least, best = np.full(nearest.shape, np.inf), nearest
        size = np.abs(nearest)
        for smaller in (size, size - 1, size - 2, 0 * size):
            level = np.minimum(np.sign(nearest) * np.maximum(smaller, 0), highest)
            if rounded.codebook.ndim == 1:
                value = FewValued(level, codebook).values()
            else:
                value = multiples(level, codebook)
            price = (wide - value.astype(np.float64)) ** 2 / scale + prices[level - low]
            better = price < least
            least, best = np.where(better, price, least), np.where(better, level, best)
        chosen = np.zeros(at.shape, np.int16)
        chosen[at] = best
        out[part] = chosen
    return out


def _of_entries(each: np.ndarray, part: slice | tuple, at: np.ndarray) -> np.ndarray:
    """Return, for the entries at a mask of a part, the number of their slice, such as its step."""
    if each.ndim < 2:
        return each
    return np.broadcast_to(each[part] if each.shape[0] > 1 else each, at.shape)[at]


def _refitted(w: np.ndarray, levels: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    place = (levels.astype(np.int64) + negatives(codebook)).ravel()
    counts = np.bincount(place, minlength=codebook.size)
    sums = np.bincount(place, weights=w.astype(np.float64).ravel(), minlength=codebook.size)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), codebook.astype(np.float64))
    means = np.where(codebook == 0, 0, means).astype(codebook.dtype)
    # Values that no weight has any more may now be out of order with the values that moved.
    in_order = (means[1:] > means[:-1]).all() and negatives(means) == negatives(codebook)
    return means if in_order else codebook
