"""Scalar quantisers of one numpy array, as levels and what they stand for."""

import math

import numpy as np

from jaxcomp.codec.grid import MAX_LEVEL
from jaxcomp.codec.levels import Quantised
from jaxcomp.quantize.codebook import fit_codebook, nearest
from jaxcomp.quantize.uniform import MAX_BITS


def ternary_levels(w: np.ndarray, *, axis: int | None = None) -> Quantised:
    r"""Signs, and the ternary level :math:`c = \|w\|_2^2 / \|w\|_1` as their step.

    Args:
      w: floating-point array of any shape; exact zeros stay zeros.
      axis: of slices that have a level each, or None for one level.
    """
    wide = np.abs(w.astype(np.float64))
    total = _sum(wide, axis)
    level = np.divide(_sum(wide * wide, axis), total, out=np.ones_like(total), where=total > 0)
    return Quantised(np.sign(w).astype(np.int8), level.astype(w.dtype))


def step_levels(w: np.ndarray, step: float) -> Quantised:
    """The nearest multiples of one step > 0, in units of the weights.

    Raises:
      ValueError: if the step is not positive and finite, or so small that a weight is more than
        32,767 steps from zero.
    """
    if not 0 < step < math.inf:
        raise ValueError(f"step must be positive and finite, got {step}")
    with np.errstate(over="ignore"):
        return _rounded(w, np.array(step).astype(w.dtype))


def bits_levels(w: np.ndarray, bits: int, *, axis: int | None = None) -> Quantised:
    r"""The nearest multiples of :math:`\max |w_i| / (2^{b-1} - 1)`, at most `2^b - 1` values.

    Args:
      w: floating-point array of any shape.
      bits: `b`, from 2 to 8.
      axis: of slices that have a step each, or None for one step.

    Raises:
      ValueError: if `bits` is outside that range.
    """
    if not 2 <= bits <= MAX_BITS:
        raise ValueError(f"bits must be from 2 to {MAX_BITS}, got {bits}")
    largest = 2 ** (bits - 1) - 1
    others = None if axis is None else tuple(a for a in range(w.ndim) if a != axis % w.ndim)
    top = np.abs(w.astype(np.float64)).max(axis=others, keepdims=axis is not None, initial=0)
    step = np.where(top > 0, top, 1) / largest
    return _rounded(w, np.asarray(step).astype(w.dtype), largest)


def codebook_levels(w: np.ndarray, levels: int) -> Quantised:
    """The nearest of the at most `levels` values of the best codebook (see `fit_codebook`)."""
    return nearest(w, fit_codebook(w, levels))


def _rounded(w: np.ndarray, step: np.ndarray, largest: int = MAX_LEVEL) -> Quantised:
    if not ((step > 0) & (step < np.inf)).all():
        raise ValueError(f"the step is zero or infinite in type {w.dtype}: give another one")
    levels = np.rint(w.astype(np.float64) / step.astype(np.float64))
    beyond = np.abs(levels).max(initial=0)
    # A step that was rounded down makes the largest weight a little more than the largest level.
    if beyond > largest + 1:
        raise ValueError(
            f"a weight is {beyond:.0f} steps of {step} from zero, more than {largest}: "
            "give a larger step"
        )
    return Quantised(np.clip(levels, -largest, largest).astype(np.int16), step)


def _sum(w: np.ndarray, axis: int | None) -> np.ndarray:
    if axis is None:
        return np.asarray(w.sum())
    return w.sum(axis=tuple(a for a in range(w.ndim) if a != axis % w.ndim), keepdims=True)
