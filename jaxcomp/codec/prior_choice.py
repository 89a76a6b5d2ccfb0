"""Chooses the prior that makes an array of many levels smallest, if one does."""

import functools
import math

import numpy as np

from jaxcomp.codec.axes_choice import cost_of_factors, smallest_axes
from jaxcomp.codec.coder import PRECISION
from jaxcomp.codec.counted import SEEN, first_weights
from jaxcomp.codec.prior import (
    FORMS,
    MIDDLE_CLASS,
    MOST,
    MOST_LEVELS,
    STRENGTHS,
    Prior,
    shares,
)
from jaxcomp.codec.scaled import CLASSES, Axes, entry_classes, next_weights, slice_factors
from jaxcomp.codec.scheme import Scheme

# With more entries the array itself shows how often levels occur. The first number is for arrays
# whose scale varies; the second, for others, is for each level.
_ENTRIES, _ENTRIES_OF_LEVEL = 2**18, 2**8
_GAIN = 0.997  # scales must make an array smaller by this factor
_TOLD = 32  # bits of a prior, and of the error of an estimate
_FEWEST_LEVELS = 9  # the fewest levels for which a prior is tried
_MEAN = 2 * math.log(2)  # the mean magnitude of a logistic variable of scale 1
_AROUND = 12  # eighths of an octave that are tried on both sides of the scale with that mean


def smallest_scaled(levels: np.ndarray, bounds: tuple[int, int], costs: dict[Axes, int]) -> Scheme:
    """Return the best scheme by scales, with a prior or without.

    Args:
      levels: int of any shape.
      bounds: smallest and largest possible level.
      costs: see `costs_of_axes`.
    """
    axes = smallest_axes(costs)
    without, alphabet = Scheme(axes), bounds[1] - bounds[0] + 1
    # Learning each scale costs less with a prior.
    scaled = [one for one, cost in costs.items() if cost < _GAIN * costs[()]]
    most = _ENTRIES if scaled else _ENTRIES_OF_LEVEL * alphabet
    if not (_FEWEST_LEVELS <= alphabet <= MOST_LEVELS and alphabet < levels.size <= most):
        return without
    tried = {one: _counts(levels, bounds, one) for one in [(), *scaled]}
    _, best, scale, form = min(
        (factor_bits + bits, one, scale, form)
        for one, (factor_bits, counts) in tried.items()
        for bits, scale, form in [_closest(counts, bounds)]
    )
    factor_bits, counts = tried[best]
    bits, prior = min(
        (_bits(counts, prior.weights(bounds)), prior)
        for prior in (Prior(scale, form, strength) for strength in range(len(STRENGTHS)))
    )
    factor_bits_without, counts = tried[axes]
    if _TOLD + factor_bits + bits >= factor_bits_without + _bits(counts, _learned(counts)):
        return without
    return Scheme(best, prior)


def _counts(levels: np.ndarray, bounds: tuple[int, int], axes: Axes) -> tuple[int, np.ndarray]:
    """Return the bits of the factors, and how often each level occurs in each class, [48, K]."""
    factors = tuple(slice_factors(levels, axis) for axis in axes)
    alphabet = bounds[1] - bounds[0] + 1
    joint = levels.reshape(-1).astype(np.int64) - bounds[0]
    if axes:
        classes = entry_classes(levels.shape, axes, factors, slice(0, levels.size))
        joint += alphabet * classes.astype(np.int64)
    else:
        joint += alphabet * MIDDLE_CLASS
    counts = np.bincount(joint, minlength=CLASSES * alphabet).reshape(CLASSES, alphabet)
    counts[0] = 0  # class 0 has certain zeros only
    return round(sum(map(cost_of_factors, factors))), counts


def _closest(counts: np.ndarray, bounds: tuple[int, int]) -> tuple[int, int, int]:
    """Return the bits of levels under the best prior, and its scale and form."""
    classes = np.flatnonzero(counts.any(axis=1))
    size = np.abs(np.arange(bounds[0], bounds[1] + 1))
    relative = 2.0 ** ((classes - MIDDLE_CLASS) / 4)
    mean = (counts[classes] @ size / relative).sum() / max(1, counts.sum())
    middle = round(8 * math.log2(64 * max(mean, 1e-3) / _MEAN))
    scales = np.clip(np.arange(middle - _AROUND, middle + _AROUND + 1), 0, MOST)
    of_class = np.clip(scales[:, None] + 2 * (classes - MIDDLE_CLASS), 0, MOST)
    here = counts[classes].astype(np.float64)
    found = []
    for form in range(FORMS):
        each = here @ _bits_of_levels(bounds, form).T  # [classes, scales]
        total = each[np.arange(len(classes)), of_class].sum(axis=1)
        at = int(np.argmin(total))
        found.append((round(total[at]), int(scales[at]), form))
    return min(found)


def _learned(counts: np.ndarray) -> np.ndarray:
    """Return what is expected of each class without a prior."""
    expected, weights = [], first_weights(counts.shape[1])
    for here in counts:
        expected.append(weights)
        weights = next_weights(here) if here.any() else weights
    return np.array(expected)


def _bits(counts: np.ndarray, expected: np.ndarray) -> int:
    """Return the bits of levels by class, [48, K], that are learned one by one.

    Their probability is `G(a) / G(a + n) * prod_k G(a_k + n_k) / G(a_k)`, where G is the gamma
    function, n_k of the n levels are level k, a_k is its prior observations, and a their sum.
    """
    used = counts.any(axis=1)
    seen = counts[used]
    first = expected[used] / SEEN
    nats = _log_gamma(first.sum(axis=1) + seen.sum(axis=1)) - _log_gamma(first.sum(axis=1))
    nats = nats.sum() - (_log_gamma(first + seen) - _log_gamma(first)).sum()
    return round(nats / math.log(2))


def _log_gamma(x: np.ndarray) -> np.ndarray:
    """Return `log G(x)` for x > 0, by Stirling's series of x + 8."""
    y = x + 8
    series = (y - 0.5) * np.log(y) - y + 0.5 * math.log(2 * math.pi) + 1 / (12 * y)
    return series - 1 / (360 * y**3) - sum(np.log(x + i) for i in range(8))


@functools.lru_cache(32)
def _bits_of_levels(bounds: tuple[int, int], form: int) -> np.ndarray:
    """Return the bits of each level for each scale, [256, K]."""
    return PRECISION - np.log2(np.maximum(shares(np.arange(MOST + 1), form, bounds), 1))
