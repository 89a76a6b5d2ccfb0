"""Chooses the way of coding that makes an array of levels smallest."""

from typing import NamedTuple

import numpy as np

from jaxcomp.codec.adaptive import MAX_MAGNITUDE, Settings
from jaxcomp.codec.axes_choice import costs_of_axes
from jaxcomp.codec.fast import coders
from jaxcomp.codec.prior_choice import smallest_scaled
from jaxcomp.codec.scaled import slice_factors
from jaxcomp.codec.scheme import Scheme, code_levels

Hints = dict[int, np.ndarray]

# Coding row by row is tried on arrays of at most this many entries in rows and columns that are not
# zero. The first limit is for all arrays, the second for those whose scale varies. The third is for
# those whose rows are alike, or that are too sparse to learn the levels of each scale.
_SMALL, _MIDDLE, _LARGE = 2**13, 2**15, 2**19
_SPARSE = 2**13  # the most levels other than zero for which a sparse array is tried
_PRIOR = 13  # bits that a prior takes
_FIRST = 2**14  # entries that show whether it pays to code a sparse array row by row
_ALIKE, _DEVIATIONS = 1.3, 6
_NEAR = 0.99  # a size so near to the smallest, as a factor, may become the smallest by densities
_LONGEST_PERIOD = 130
_SAMPLE = 2**16
_ENTRIES_OF_ROW = 2**14  # entries that take as long to code as a row of bits


def choose_scheme(levels: np.ndarray, bounds: tuple[int, int], hints: Hints) -> Scheme:
    """Return the scheme that makes levels smallest, among those that are worth a trial.

    Args:
      levels: int of any shape.
      bounds: smallest and largest possible level.
      hints: see `code_adaptive`.
    """
    best = smallest_scaled(levels, bounds, costs_of_axes(levels, bounds, slice_factors))
    if not levels.any() or max(-bounds[0], bounds[1]) > MAX_MAGNITUDE:
        return best
    if levels.ndim < 2 and bounds != (0, 1):
        return best
    # The axis of the units is the last one (flax) or the first (PyTorch); the others are small.
    last = levels.ndim > 1 and levels.shape[-1] > levels.shape[0]
    ways = [
        Scheme(settings=Settings(1, False), transposed=transposed, by_last_axis=last)
        for transposed in ((False, True) if levels.ndim > 1 else (False,))
    ]
    size = _live_size(levels, ways[0])
    if size > _LARGE:
        return best
    views = [_look(levels, scheme) for scheme in ways]
    alike = any(view.alike for view in views)
    if not (size <= _SMALL or (size <= _MIDDLE and best.axes) or alike):
        first = levels[: -(-_FIRST * len(levels) // levels.size)]
        if np.count_nonzero(levels) > _SPARSE or _size(first, bounds, best) <= min(
            _size(first, bounds, scheme) for scheme in ways
        ):
            return best
    sizes: dict[Scheme, int] = {}

    def attempt(scheme: Scheme) -> None:
        sizes[scheme] = _size(levels, bounds, scheme, hints) + _PRIOR * (scheme.prior is not None)

    attempt(best)
    for view in views:
        for period in {1, view.period}:
            attempt(view.scheme._replace(settings=Settings(period, False)))
    smallest = min(sizes.values())
    for scheme, size in tuple(sizes.items()):
        if scheme.settings is not None and levels.ndim > 1 and _NEAR * size <= smallest:
            attempt(scheme._replace(settings=scheme.settings._replace(densities=True)))
    return min(sizes, key=sizes.__getitem__)


def _size(
    levels: np.ndarray, bounds: tuple[int, int], scheme: Scheme, hints: Hints | None = None
) -> int:
    """Return the bits that levels take under a scheme."""
    encoder_of, _ = coders(_ENTRIES_OF_ROW * max(levels.shape, default=1))
    trial = encoder_of()
    code_levels(trial, levels.shape, bounds, scheme, dict(hints or {}), levels)
    return trial.size


def _live_size(levels: np.ndarray, scheme: Scheme) -> int:
    """Count the entries in rows and columns that are not zero."""
    matrix = levels.reshape(scheme.matrix_shape(levels.shape)) != 0
    return int(np.count_nonzero(matrix.any(axis=1)) * np.count_nonzero(matrix.any(axis=0)))


class _View(NamedTuple):
    """Shows an array as a matrix."""

    scheme: Scheme
    period: int  # the distance at which rows are most alike
    alike: bool  # whether they are more alike than by chance


def _look(levels: np.ndarray, scheme: Scheme) -> _View:
    matrix = levels.reshape(scheme.matrix_shape(levels.shape)) != 0
    matrix = matrix.T if scheme.transposed else matrix
    columns = matrix.any(axis=0)
    rows = len(matrix)
    step = max(1, rows * int(columns.sum()) // _SAMPLE)
    matrix = np.ascontiguousarray(matrix[:, np.flatnonzero(columns)[::step]])
    lags = range(1, min(rows // 2, _LONGEST_PERIOD))
    chance = float((matrix.sum(axis=0) ** 2).sum()) / rows
    if not lags or not chance:
        return _View(scheme, 1, False)
    both = [np.count_nonzero(matrix[lag:] & matrix[:-lag]) * rows / (rows - lag) for lag in lags]
    period = 2 + int(np.argmax(both[1:])) if len(both) > 1 else 1
    # Each count is a sum of rare events: its standard deviation is its square root.
    alike = max(both) > max(_ALIKE * chance, chance + _DEVIATIONS * np.sqrt(chance))
    return _View(scheme, period, bool(alike))
