r"""Rounding that weighs the error against the bits (rate-distortion optimisation).

For each weight the level `l` that minimises

.. math:: (w - v_l)^2 / D + \lambda \, b_l, \qquad b_l = -\log_2 (n_l / n)

with the value :math:`v_l` of a level, the number :math:`n_l` of the :math:`n` weights of the tensor
that have it, and the unit of error `D`: the squared step of a grid of multiples, or, for a table of
values, the mean squared error of rounding to the nearest. The counts follow from the choice, so the
two are repeated until nothing changes. :math:`\lambda = 0` is rounding to the nearest level.
"""

import math

import numpy as np

from jaxcomp.codec.levels import Quantised, negatives

ROUNDS = 20
_ROWS = 2**20  # entries that are looked at together


def rate_distortion(w: np.ndarray, rounded: Quantised, weight: float) -> Quantised:
    r"""Move the levels of rounded weights towards zero where that saves enough bits.

    Args:
      w: floating-point array of any shape.
      rounded: its nearest levels; zeros stay zeros.
      weight: :math:`\lambda \ge 0`: the error, in units of `D`, that a bit is worth.

    Returns:
      The levels, and the codebook. The values of a table move to the means of their weights.

    Raises:
      ValueError: if the weight is negative or not finite.
    """
    if not 0 <= weight < math.inf:
        raise ValueError(f"lambda must be at least 0 and finite, got {weight}")
    if weight == 0 or not w.size:
        return rounded
    levels, codebook = rounded
    unit = _unit(w, rounded)
    for _ in range(ROUNDS):
        bits, low = _bits(levels)
        changed = _best(w, rounded, unit, weight * bits, low)
        if np.array_equal(changed, levels):
            break
        levels = changed
    if codebook.ndim == 1:
        return Quantised(levels, _refitted(w, levels, codebook))
    return Quantised(levels, codebook)


def cost(w: np.ndarray, chosen: Quantised, rounded: Quantised, weight: float) -> float:
    """The sum of what is minimised, with the frequencies of the chosen levels themselves."""
    bits, low = _bits(chosen.levels)
    error = (w.astype(np.float64) - chosen.values().astype(np.float64)) ** 2
    return float((error / _unit(w, rounded) + weight * bits[chosen.levels - low]).sum())


def _unit(w: np.ndarray, rounded: Quantised) -> np.ndarray:
    if rounded.codebook.ndim != 1:
        return rounded.codebook.astype(np.float64) ** 2
    error = (w.astype(np.float64) - rounded.values().astype(np.float64)) ** 2
    return np.asarray(error.mean() or 1.0)


def _bits(levels: np.ndarray) -> tuple[np.ndarray, int]:
    """Bits of each level from the lowest (or 0) to the highest (or 0), and the lowest."""
    low = min(0, int(levels.min()))
    counts = np.bincount((levels.astype(np.int64) - low).ravel(), minlength=1 - low)
    # Half an occurrence for a level that was given up: it may come back, at its price.
    return -np.log2(np.maximum(counts, 0.5) / levels.size), low


def _best(
    w: np.ndarray, rounded: Quantised, unit: np.ndarray, prices: np.ndarray, low: int
) -> np.ndarray:
    out = np.empty(w.shape, np.int16)
    rows = max(1, _ROWS // max(1, w[:1].size)) if w.ndim else 1
    parts = [slice(start, start + rows) for start in range(0, len(w), rows)] if w.ndim else [()]
    for part in parts:
        nearest = rounded.levels[part].astype(np.int64)
        codebook, scale = (
            a[part] if a.ndim > 1 and a.shape[0] > 1 else a for a in (rounded.codebook, unit)
        )
        wide = w[part].astype(np.float64)
        least, best = np.full(nearest.shape, np.inf), nearest
        for closer in (0, 1, 2, None):  # levels nearer to zero than the nearest one, and zero
            level = (
                np.sign(nearest) * np.maximum(np.abs(nearest) - closer, 0)
                if closer is not None
                else 0 * nearest
            )
            if codebook.ndim == 1 and closer is None and not (codebook == 0).any():
                continue
            value = Quantised(level, codebook).values().astype(np.float64)
            price = (wide - value) ** 2 / scale + prices[np.clip(level - low, 0, len(prices) - 1)]
            better = price < least
            least, best = np.where(better, price, least), np.where(better, level, best)
        out[part] = best
    return out


def _refitted(w: np.ndarray, levels: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    place = (levels.astype(np.int64) + negatives(codebook)).ravel()
    counts = np.bincount(place, minlength=codebook.size)
    sums = np.bincount(place, weights=w.astype(np.float64).ravel(), minlength=codebook.size)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), codebook.astype(np.float64))
    means = np.where(codebook == 0, 0, means).astype(codebook.dtype)
    # Values that no weight has any more may be out of order with those that moved.
    in_order = (means[1:] > means[:-1]).all() and negatives(means) == negatives(codebook)
    return means if in_order else codebook
