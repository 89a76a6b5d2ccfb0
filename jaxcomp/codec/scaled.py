"""Large arrays of levels: independent levels whose scale varies with two of the axes."""

import math
from collections.abc import Iterator

import numpy as np

from jaxcomp.codec.coder import Coder
from jaxcomp.codec.counted import SEEN, code_counted, count_symbols
from jaxcomp.codec.dtypes import signed_dtype

FACTORS = 64  # scales of a slice, a quarter octave apart; 0 for a slice of zeros
_MIDDLE = FACTORS // 2
_CLASSES = 48
_PRIOR_STRENGTH = 200  # observations that the neighboring class is worth
_TOGETHER = 2**16  # entries that are put in their places at a time
_WORK = 30  # nanoseconds for each entry that has a class
MEMORY_OF_FACTOR = 16  # bytes

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
        size = math.prod(shape)
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
    grid = np.indices((FACTORS,) * len(axes))
    total = (grid - _MIDDLE).sum(axis=0) + _CLASSES // 2
    table = np.where((grid == 0).any(axis=0), 0, np.clip(total, 1, _CLASSES - 1)).astype(np.uint8)
    along = []
    for axis, factor in zip(axes, factors, strict=True):
        sizes = [1] * len(shape)
        sizes[axis] = shape[axis]
        along.append(factor.reshape(sizes))
    return np.broadcast_to(table[tuple(along)], shape)


def _code_classes(coder, classes, bounds, levels, shape):
    coder.budget.work(_WORK * classes.size)
    parts = [slice(i, i + _TOGETHER) for i in range(0, classes.size, _TOGETHER)]
    sizes = count_symbols(classes, _CLASSES)
    alphabet = bounds[1] - bounds[0] + 1
    dtype = signed_dtype(*bounds) if levels is None else levels.dtype
    by_class = np.zeros(classes.size, dtype)
    if levels is not None:
        for part, places in _places(classes, sizes, parts):
            by_class[places] = levels.reshape(-1)[part]
    start, prior = int(sizes[0]), None
    for size in map(int, sizes[1:]):
        if not size:
            continue
        here = by_class[start : start + size]
        known = None if levels is None else here
        code_counted(coder, alphabet, size, known, low=bounds[0], prior=prior, out=here)
        counts = count_symbols(here, alphabet, bounds[0])
        prior = np.maximum(1, SEEN * _PRIOR_STRENGTH * counts // size)
        start += size
    if levels is not None:
        return levels
    out = np.empty(classes.size, dtype)
    for part, places in _places(classes, sizes, parts):
        out[part] = by_class[places]
    return out.reshape(shape)


def _places(
    classes: np.ndarray, sizes: np.ndarray, parts: list[slice]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Where entries are when they are sorted by class, part by part."""
    starts = np.cumsum(sizes) - sizes
    for part in parts:
        order = np.argsort(classes[part], kind="stable")
        here = np.bincount(classes[part], minlength=_CLASSES)
        places = np.empty(order.size, np.int64)
        places[order] = np.arange(order.size) + np.repeat(starts - np.cumsum(here) + here, here)
        starts += here
        yield part, places
