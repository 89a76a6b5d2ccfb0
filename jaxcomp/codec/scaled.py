"""Large arrays of levels: independent levels whose scale varies with two of the axes."""

import numpy as np

from jaxcomp.codec.coder import Coder
from jaxcomp.codec.counted import SEEN, code_counted

FACTORS = 64  # scales of a slice, a quarter octave apart; 0 for a slice of zeros
_MIDDLE = FACTORS // 2
_CLASSES = 48
_PRIOR_STRENGTH = 200  # observations that the neighbouring class is worth

Axes = tuple[int, ...]  # none, one or two axes of an array


def code_scaled(
    coder: Coder,
    shape: tuple[int, ...],
    bounds: tuple[int, int],
    axes: Axes,
    levels: np.ndarray | None,
) -> np.ndarray:
    """Code an array of levels.

    Each slice along each of the axes has a factor, told first. The factors of an entry add up to
    its class, and the levels of a class are coded as draws from one distribution, of which the
    next larger class knows.

    Args:
      coder: see `Coder`.
      shape: of the array.
      bounds: smallest and largest level there can be.
      axes: along which the scale varies.
      levels: what to encode, int of that shape.
    """
    factors = [
        code_counted(
            coder,
            FACTORS,
            shape[axis],
            None if levels is None else slice_factors(levels, axis),
        )
        for axis in axes
    ]
    classes = entry_classes(shape, axes, factors)
    if classes is None:
        flat = None if levels is None else levels.reshape(-1)
        size = int(np.prod(shape))
        alphabet = bounds[1] - bounds[0] + 1
        return code_counted(coder, alphabet, size, flat, low=bounds[0]).reshape(shape)
    return _code_classes(coder, classes.reshape(-1), bounds, levels, shape)


def slice_factors(levels: np.ndarray, axis: int) -> np.ndarray:
    """The scale of each slice along an axis, int of `[0, 64)`: 0 if it is zero, 32 for the mean."""
    others = tuple(a for a in range(levels.ndim) if a != axis % levels.ndim)
    sums = np.abs(levels.astype(np.int16) if levels.dtype == np.int8 else levels).sum(
        axis=others, dtype=np.int64
    )
    scale = sums / max(1.0, sums.sum() / max(1, np.count_nonzero(sums)))
    factors = np.rint(4 * np.log2(np.where(sums > 0, scale, 1))) + _MIDDLE
    return np.where(sums > 0, np.clip(factors, 1, FACTORS - 1), 0).astype(np.int16)


def entry_classes(shape, axes, factors):
    """The class of each entry, uint8 of the array's shape: 0 for certain zeros."""
    if not axes:
        return None
    total = np.zeros((1,) * len(shape), np.int16)
    dead = np.zeros((1,) * len(shape), bool)
    for axis, factor in zip(axes, factors, strict=True):
        along = [1] * len(shape)
        along[axis] = shape[axis]
        total = total + (factor.reshape(along).astype(np.int16) - _MIDDLE)
        dead = dead | (factor.reshape(along) == 0)
    classes = np.where(dead, 0, np.clip(total + _CLASSES // 2, 1, _CLASSES - 1)).astype(np.uint8)
    return np.broadcast_to(classes, shape)


def _code_classes(coder, classes, bounds, levels, shape):
    order = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes, minlength=_CLASSES)
    alphabet = bounds[1] - bounds[0] + 1
    sorted_levels = None if levels is None else levels.reshape(-1)[order]
    out = np.zeros(classes.size, np.int16)
    start, prior = sizes[0], None
    for size in sizes[1:]:
        if not size:
            continue
        known = None if levels is None else sorted_levels[start : start + size]
        known = code_counted(coder, alphabet, size, known, low=bounds[0], prior=prior)
        out[order[start : start + size]] = known
        counts = np.bincount(known.astype(np.int32) - bounds[0], minlength=alphabet)
        prior = np.maximum(1, SEEN * _PRIOR_STRENGTH * counts // int(size))
        start += size
    return out.reshape(shape)
