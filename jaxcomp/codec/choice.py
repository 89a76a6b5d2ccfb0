"""Which way of coding makes an array of levels smallest."""

from typing import NamedTuple

import numpy as np

from jaxcomp.codec.adaptive import MAX_MAGNITUDE, Settings
from jaxcomp.codec.fast import coders
from jaxcomp.codec.scaled import Axes, class_table, slice_factors
from jaxcomp.codec.scheme import AXES, Scheme, code_levels

Hints = dict[int, np.ndarray]

# Coding row by row is tried on arrays up to this many entries in rows and columns that are not
# zero: on all, on those whose scale varies, and on those whose rows are like one another.
_SMALL, _MIDDLE, _LARGE = 2**13, 2**15, 2**18
_ALIKE, _DEVIATIONS = 1.3, 6
_GAIN = 0.99  # of scales, which can be due to chance
_NEAR = 0.99  # of the smallest, by which densities can make up
_LONGEST_PERIOD = 130
_SAMPLE, _SCALE_SAMPLE = 2**16, 2**15
_ENOUGH = 2**19  # entries that show the scales of slices
_ENTRIES_OF_ROW = 2**14  # that take as long as a row of bits


def choose_scheme(levels: np.ndarray, bounds: tuple[int, int], hints: Hints) -> Scheme:
    """The scheme that makes levels smallest, among those that are worth a trial.

    Args:
      levels: int of any shape.
      bounds: smallest and largest level there can be.
      hints: see `code_adaptive`.
    """
    best = Scheme(_choose_axes(levels, bounds))
    if not levels.any() or max(-bounds[0], bounds[1]) > MAX_MAGNITUDE:
        return best
    if levels.ndim < 2 and bounds != (0, 1):
        return best
    # The axis of the units is the last one (flax) or the first (PyTorch); the others are small.
    last = levels.ndim > 1 and levels.shape[-1] > levels.shape[0]
    ways = [
        Scheme(transposed=transposed, by_last_axis=last)
        for transposed in ((False, True) if levels.ndim > 1 else (False,))
    ]
    size = _live_size(levels, ways[0])
    if size > _LARGE:
        return best
    views = [_look(levels, scheme) for scheme in ways]
    alike = any(view.alike for view in views)
    if not (size <= _SMALL or (size <= _MIDDLE and best.axes) or alike):
        return best
    sizes: dict[Scheme, int] = {}

    def attempt(scheme: Scheme) -> None:
        encoder_of, _ = coders(_ENTRIES_OF_ROW * max(levels.shape, default=1))
        trial = encoder_of()
        code_levels(trial, levels.shape, bounds, scheme, dict(hints), levels)
        sizes[scheme] = trial.size

    attempt(best)
    for view in views:
        for period in {1, view.period}:
            attempt(view.scheme._replace(settings=Settings(period, False)))
    smallest = min(sizes.values())
    for scheme, size in tuple(sizes.items()):
        if scheme.settings is not None and levels.ndim > 1 and _NEAR * size <= smallest:
            attempt(scheme._replace(settings=scheme.settings._replace(densities=True)))
    return min(sizes, key=sizes.get)


def _live_size(levels: np.ndarray, scheme: Scheme) -> int:
    """Count the entries in rows and columns that are not zero."""
    matrix = levels.reshape(scheme.matrix_shape(levels.shape)) != 0
    return int(np.count_nonzero(matrix.any(axis=1)) * np.count_nonzero(matrix.any(axis=0)))


class _View(NamedTuple):
    """An array as a matrix."""

    scheme: Scheme
    period: int  # distance at which rows are most alike
    alike: bool  # whether such rows are, beyond chance


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
    # The counts are sums of rare events, of which the standard deviation is the root.
    alike = max(both) > max(_ALIKE * chance, chance + _DEVIATIONS * np.sqrt(chance))
    return _View(scheme, period, bool(alike))


def _choose_axes(levels: np.ndarray, bounds: tuple[int, int]) -> Axes:
    """The axes along which the scale varies most, judged by a sample of the levels."""
    if levels.ndim < 2 or not levels.any():
        return ()
    low, high = bounds
    alphabet = high - low + 1
    stride = (
        max(1, levels.size // _SCALE_SAMPLE) | 1
    )  # odd, so as to meet all residues of even axes
    sample = levels.reshape(-1)[::stride].astype(np.int64) - low
    scale = levels.size / sample.size
    places = np.unravel_index(np.arange(0, levels.size, stride), levels.shape)
    factors: dict[int, np.ndarray] = {}
    costs = {}
    for axes in AXES if levels.ndim > 2 else AXES[:4]:
        for axis in axes:
            if axis % levels.ndim not in factors:
                factors[axis % levels.ndim] = slice_factors(_thinned(levels, axis), axis)
        told = [factors[axis % levels.ndim] for axis in axes]
        joint = sample
        if axes:
            here = [one[places[axis]] for one, axis in zip(told, axes, strict=True)]
            classes = class_table(len(axes))[tuple(here)]
            joint = (sample + alphabet * classes.astype(np.int64))[classes > 0]
        # Whole bits: a tie must not be decided by the last bit of a logarithm.
        costs[axes] = round(scale * _conditional(joint, alphabet) + sum(map(_cost, told)))
    best = min(costs, key=costs.get)
    return best if costs[best] < _GAIN * costs[()] else ()


def _thinned(levels: np.ndarray, axis: int) -> np.ndarray:
    """Return some of the entries of each slice along an axis, where there are many."""
    others = [a for a in range(levels.ndim) if a != axis % levels.ndim]
    longest = max(others, key=lambda a: levels.shape[a])
    every = min(levels.shape[longest], -(-levels.size // _ENOUGH))
    index = tuple(slice(None, None, every if a == longest else 1) for a in range(levels.ndim))
    return levels[index]


def _cost(symbols: np.ndarray) -> float:
    """Bits of symbols with their entropy, and of learning it."""
    counts = np.unique(symbols, return_counts=True)[1]
    return float(counts @ np.log2(symbols.size / counts)) + 6 * counts.size


def _conditional(joint: np.ndarray, alphabet: int) -> float:
    """Bits of symbols given their class, without the bias that a sample of few of them has."""
    if not joint.size:
        return 0.0
    table = np.bincount(joint, minlength=-(-(joint.max() + 1) // alphabet) * alphabet)
    table = table.reshape(-1, alphabet)
    totals = table.sum(axis=1, keepdims=True)
    used = table > 0
    bits = (table * np.log2(np.maximum(totals, 1) / np.where(used, table, 1)))[used].sum()
    # Miller and Madow: each different symbol of a class costs about 1 / (2 ln 2) bits.
    return float(bits + (used.sum() - (totals > 0).sum()) / (2 * np.log(2)))
