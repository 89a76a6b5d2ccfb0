"""Codes large arrays of levels as independent levels; their scale varies along up to two axes."""

import functools
import math
from collections.abc import Iterator

import numpy as np

from jaxcomp.codec.coder import Coder
from jaxcomp.codec.counted import SEEN, code_counted, count_symbols
from jaxcomp.codec.dtypes import signed_dtype
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.prior import MIDDLE_CLASS, Prior

FACTORS = 64  # scales of a slice, a quarter of an octave apart; 0 for a slice of zeros
_MIDDLE = FACTORS // 2
CLASSES = 2 * MIDDLE_CLASS  # class 0 has certain zeros only
_PRIOR_STRENGTH = 200  # the neighboring class counts as so many observations
_TOGETHER = 2**16  # entries that are moved to their places at a time
_WORK = 30  # nanoseconds for each entry that has a class
_PRIOR_WORK = 5_000  # nanoseconds for each level
MEMORY_OF_FACTOR = 16  # bytes

Axes = tuple[int, ...]  # none, one or two axes of an array


def code_factors(
    coder: Coder, shape: tuple[int, ...], axes: Axes, factors: tuple[np.ndarray, ...] | None
) -> tuple[np.ndarray, ...]:
    """Code the factors of the slices along each of the axes.

    Args:
      coder: see `Coder`.
      shape: shape of the array.
      axes: axes along which the scale varies.
      factors: factors to encode, int of `[0, 64)`, for each of the axes; None to decode.
    """
    return tuple(
        code_counted(coder, FACTORS, shape[axis], None if factors is None else factors[i])
        for i, axis in enumerate(axes)
    )


def code_scaled(
    coder: Coder,
    shape: tuple[int, ...],
    bounds: tuple[int, int],
    axes: Axes,
    factors: tuple[np.ndarray, ...],
    prior: Prior | None,
    part: slice,
    levels: np.ndarray | None,
) -> np.ndarray:
    """Code the levels of a part of an array.

    The factors of an entry add up to its class. The levels of a class are coded as draws from one
    distribution, which is the prior of the next larger class.

    Args:
      coder: see `Coder`.
      shape: shape of the array.
      bounds: smallest and largest possible level.
      axes: axes along which the scale varies.
      factors: see `code_factors`.
      prior: prior of the levels, or None if each class takes the class before it as its prior.
      part: slice of the entries, in row-major order.
      levels: levels to encode, int of shape [entries]; None to decode.

    Returns:
      The levels, of shape [entries].

    Raises:
      FormatError: as `code_classes`.
    """
    size, alphabet = part.stop - part.start, bounds[1] - bounds[0] + 1
    if prior is not None:
        coder.budget.work(_PRIOR_WORK * alphabet)
    if not axes:
        weights = None if prior is None else prior.weights(bounds)[MIDDLE_CLASS]
        return code_counted(coder, alphabet, size, levels, low=bounds[0], prior=weights)
    coder.budget.work(_WORK * size)
    return code_classes(coder, entry_classes(shape, axes, factors, part), bounds, levels, prior)


def slice_factors(levels: np.ndarray, axis: int) -> np.ndarray:
    """Return the scale of each slice along an axis, int of `[0, 64)`: 0 for zeros, 32 the mean."""
    axis %= levels.ndim
    before, after = math.prod(levels.shape[:axis]), math.prod(levels.shape[axis + 1 :])
    # |-128| is 128 as an unsigned byte.
    narrow = levels.dtype == np.int8
    sizes = np.abs(levels).view(np.uint8) if narrow else np.abs(levels)
    wide = np.uint32 if narrow and before < 2**24 else np.int64
    sums: np.ndarray = sizes.reshape(before, -1).sum(axis=0, dtype=wide)
    sums = sums.reshape(levels.shape[axis], after).sum(axis=1, dtype=np.int64)
    scale = sums / max(1.0, sums.sum() / max(1, np.count_nonzero(sums)))
    factors = np.rint(4 * np.log2(np.where(sums > 0, scale, 1))) + _MIDDLE
    return np.where(sums > 0, np.clip(factors, 1, FACTORS - 1), 0).astype(np.int16)


def entry_classes(
    shape: tuple[int, ...], axes: Axes, factors: tuple[np.ndarray, ...], part: slice
) -> np.ndarray:
    """Return the classes of a part of the entries, uint8 [entries]: 0 for certain zeros."""
    sizes, factors = _merged(shape, axes, factors)
    table, columns = class_table(len(axes)), sizes[-1]
    out = np.empty(part.stop - part.start, np.uint8)
    rows_together = max(1, _TOGETHER // columns)
    for begin in range(part.start // columns, -(-part.stop // columns), rows_together):
        end = min(begin + rows_together, -(-part.stop // columns))
        rows, along = np.arange(begin, end), []
        for axis, factor in factors.items():
            if axis == len(sizes) - 1:
                along.append(factor[None])
            else:
                stride = math.prod(sizes[axis + 1 : -1])
                along.append(factor[rows // stride % sizes[axis]][:, None])
        found = np.broadcast_to(table[tuple(along)], (end - begin, columns)).reshape(-1)
        first, last = max(begin * columns, part.start), min(end * columns, part.stop)
        here = slice(first - begin * columns, last - begin * columns)
        out[first - part.start : last - part.start] = found[here]
    return out


@functools.cache
def class_table(axes: int) -> np.ndarray:
    """Return the class of each combination of factors, uint8 with an axis for each of them."""
    grid = np.indices((FACTORS,) * axes)
    total = (grid - _MIDDLE).sum(axis=0) + MIDDLE_CLASS
    return np.where((grid == 0).any(axis=0), 0, np.clip(total, 1, CLASSES - 1)).astype(np.uint8)


def _merged(
    shape: tuple[int, ...], axes: Axes, factors: tuple[np.ndarray, ...]
) -> tuple[list[int], dict[int, np.ndarray]]:
    """Return the sizes of as few axes as keep scaled ones apart, and the factors of those."""
    scaled = dict(zip((axis % len(shape) for axis in axes), factors, strict=True))
    sizes: list[int] = []
    by_axis: dict[int, np.ndarray] = {}
    alone = True  # whether the next axis must not be merged with the last one
    for axis, size in enumerate(shape):
        if axis in scaled:
            by_axis[len(sizes)] = scaled[axis]
        if alone or axis in scaled:
            sizes.append(size)
        else:
            sizes[-1] *= size
        alone = axis in scaled
    while len(sizes) > 1 and sizes[-1] == 1 and len(sizes) - 1 not in by_axis:
        sizes.pop()
    return sizes, by_axis


def code_classes(
    coder: Coder,
    classes: np.ndarray,
    bounds: tuple[int, int],
    levels: np.ndarray | None,
    prior: Prior | None = None,
) -> np.ndarray:
    """Code levels given their classes, from the first class to the last; class 0 has zeros only.

    Args:
      coder: see `Coder`.
      classes: uint8 of `[0, 48)`, of shape [entries].
      bounds: smallest and largest possible level.
      levels: levels to encode, int of that shape; None to decode.
      prior: see `code_scaled`.

    Raises:
      FormatError: if there are entries of class 0, and no level 0.
    """
    parts = [slice(i, i + _TOGETHER) for i in range(0, classes.size, _TOGETHER)]
    sizes = count_symbols(classes, CLASSES)
    if sizes[0] and bounds[1] < 0:  # as a table of negative values has them
        raise FormatError(f"zeros of class 0, and levels from {bounds[0]} to {bounds[1]}")
    alphabet = bounds[1] - bounds[0] + 1
    dtype = signed_dtype(*bounds) if levels is None else levels.dtype
    by_class = np.zeros(classes.size, dtype)
    if levels is not None:
        for part, places in _places(classes, sizes, parts):
            by_class[places] = levels[part]
    start, weights = int(sizes[0]), None
    told = None if prior is None else prior.weights(bounds)
    for class_ in np.flatnonzero(sizes[1:]) + 1:
        size = int(sizes[class_])
        if told is not None:
            weights = told[class_]
        here = by_class[start : start + size]
        known = None if levels is None else here
        code_counted(coder, alphabet, size, known, low=bounds[0], prior=weights, out=here)
        if told is None:
            weights = next_weights(count_symbols(here, alphabet, bounds[0]))
        start += size
    if levels is not None:
        return levels
    out = np.empty(classes.size, dtype)
    for part, places in _places(classes, sizes, parts):
        out[part] = by_class[places]
    return out


def next_weights(counts: np.ndarray) -> np.ndarray:
    """Return what is expected of a class, given how often symbols occur in the one before it."""
    return np.maximum(1, SEEN * _PRIOR_STRENGTH * counts // counts.sum())


def _places(
    classes: np.ndarray, sizes: np.ndarray, parts: list[slice]
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield where entries are once they are sorted by class, part by part."""
    starts = np.cumsum(sizes) - sizes
    for part in parts:
        order = np.argsort(classes[part], kind="stable")
        here = np.bincount(classes[part], minlength=CLASSES)
        places = np.empty(order.size, np.int64)
        places[order] = np.arange(order.size) + np.repeat(starts - np.cumsum(here) + here, here)
        starts += here
        yield part, places
