"""Chooses the axes of an array along which the scale of its entries varies."""

from collections.abc import Callable

import numpy as np

from jaxcomp.codec.counted import entropy_bits
from jaxcomp.codec.scaled import Axes, class_table
from jaxcomp.codec.scheme import axes_of

_GAIN = 0.99  # scales must make an array smaller by this factor: less can be due to chance
_SAMPLE = 2**15  # entries whose entropy is measured
_ENOUGH = 2**19  # entries that show the scales of slices


def smallest_axes(costs: dict[Axes, int]) -> Axes:
    """Return the axes of the fewest bits, or none if they save no more than chance can."""
    best = min(costs, key=costs.__getitem__)
    return best if costs[best] < _GAIN * costs[()] else ()


def costs_of_axes(
    levels: np.ndarray,
    bounds: tuple[int, int],
    factors_of: Callable[[np.ndarray, int], np.ndarray],
) -> dict[Axes, int]:
    """Estimate how many bits levels take for each choice of scaled axes, from a sample of them.

    Args:
      levels: int of any shape.
      bounds: smallest and largest possible level.
      factors_of: returns the factors of slices, given levels and an axis.
    """
    if levels.ndim < 2 or not levels.any():
        return {(): 0}
    low, high = bounds
    alphabet = high - low + 1
    stride = max(1, levels.size // _SAMPLE) | 1  # an odd stride meets all residues of even axes
    sample = levels.reshape(-1)[::stride].astype(np.int64) - low
    scale = levels.size / sample.size
    places = np.unravel_index(np.arange(0, levels.size, stride), levels.shape)
    factors: dict[int, np.ndarray] = {}
    costs = {}
    for axes in axes_of(levels.ndim):
        for axis in axes:
            if axis % levels.ndim not in factors:
                factors[axis % levels.ndim] = factors_of(_thinned(levels, axis), axis)
        told = [factors[axis % levels.ndim] for axis in axes]
        joint = sample
        if axes:
            here = [one[places[axis]] for one, axis in zip(told, axes, strict=True)]
            classes = class_table(len(axes))[tuple(here)]
            joint = (sample + alphabet * classes.astype(np.int64))[classes > 0]
        # Bits are whole: a tie must not be decided by the last bit of a logarithm.
        costs[axes] = round(scale * _conditional(joint, alphabet) + sum(map(cost_of_factors, told)))
    return costs


def _thinned(levels: np.ndarray, axis: int) -> np.ndarray:
    """Return some of the entries of each slice along an axis, where there are many."""
    others = [a for a in range(levels.ndim) if a != axis % levels.ndim]
    longest = max(others, key=lambda a: levels.shape[a])
    every = min(levels.shape[longest], -(-levels.size // _ENOUGH))
    index = tuple(slice(None, None, every if a == longest else 1) for a in range(levels.ndim))
    return levels[index]


def cost_of_factors(symbols: np.ndarray) -> float:
    """Return the bits of symbols by their entropy, and of learning how often each occurs."""
    counts = np.unique(symbols, return_counts=True)[1]
    return entropy_bits(counts) + 6 * counts.size


def _conditional(joint: np.ndarray, alphabet: int) -> float:
    """Return the bits of symbols given their class, without the bias of a small sample."""
    if not joint.size:
        return 0.0
    table = np.bincount(joint, minlength=-(-(joint.max() + 1) // alphabet) * alphabet)
    table = table.reshape(-1, alphabet)
    totals = table.sum(axis=1, keepdims=True)
    used = table > 0
    bits = (table * np.log2(np.maximum(totals, 1) / np.where(used, table, 1)))[used].sum()
    # By Miller and Madow, each different symbol of a class costs about 1 / (2 ln 2) bits.
    return float(bits + (used.sum() - (totals > 0).sum()) / (2 * np.log(2)))
