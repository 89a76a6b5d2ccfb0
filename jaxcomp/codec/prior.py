"""Models levels before any was seen: a bell around zero.

Most arrays are too short to learn how often each of many levels occurs. The distribution function
of the bell is `1 / (1 + exp(-y(x)))`, where `x` is the level over a scale. It is logistic for
`y = x`, close to normal for `y = x + x^3 / 64`, and has heavier tails where y grows slower than x.
All numbers are integers, so that writer and reader compute the same.
"""

from typing import NamedTuple

import numpy as np

from jaxcomp.codec.coder import PRECISION
from jaxcomp.codec.counted import SEEN
from jaxcomp.codec.logistic import CEILING, COARSE, PROBABILITY, UNIT

MIDDLE_CLASS = 24  # the class of the mean scale; classes are a quarter of an octave apart
FORMS = 6  # two with heavier tails, the logistic one, three with lighter tails
STRENGTHS = (64, 256, 1024, 4096)  # observations
MOST_LEVELS = 2**9
MOST = 255  # the largest scale: scales are an eighth of an octave apart, from 1/64 of a level
_CUBES = (0, 64, 32, 16)  # x + x^3 / 64, ...
_HEAVY = ((1638, 1, 5), (614, 3, 40))
_EIGHTHS = np.array([65536, 71468, 77936, 84990, 92682, 101070, 110218, 120194])  # 2^16 2^(i / 8)
_FARTHEST = 64 * UNIT
_ALL = 1 << PRECISION


class Prior(NamedTuple):
    """Says which levels are expected: a scale, a form and a strength."""

    scale: int  # the scale of the middle class, in `[0, 255]`
    form: int  # the form, in `[0, 6)`
    strength: int  # an index of `STRENGTHS`

    def weights(self, bounds: tuple[int, int]) -> np.ndarray:
        """Return the weights of all levels by class, [48, K], as `code_counted` takes them."""
        scales = self.scale + 2 * (np.arange(2 * MIDDLE_CLASS) - MIDDLE_CLASS)
        each = shares(np.clip(scales, 0, MOST), self.form, bounds)
        return np.maximum(1, each * (SEEN * STRENGTHS[self.strength]) >> PRECISION)


def shares(scales: np.ndarray, form: int, bounds: tuple[int, int]) -> np.ndarray:
    """Return the probability of each level in units of 2^-24, [scales, levels]."""
    widths = (_EIGHTHS[scales % 8] << scales // 8)[:, None]  # in units of 2^-22 levels
    # These are the edges between two levels, and the distances of the edges from zero.
    twice = 2 * np.arange(bounds[0], bounds[1], dtype=np.int64) + 1
    farthest = max(-bounds[0], bounds[1])
    odd = 2 * np.arange(farthest, dtype=np.int64) + 1
    x = np.minimum((odd << 21) * UNIT // widths, _FARTHEST)
    if form < len(_HEAVY):
        more, times, over = _HEAVY[form]
        y = x * (UNIT + more) // (UNIT + x * times // over)
    else:
        cube = _CUBES[form - len(_HEAVY)]
        y = x + ((x * x >> 12) * x >> 12) // cube if cube else x
    # The table of probabilities is coarser than levels are, so interpolate.
    place, rest = np.divmod(np.minimum(y, CEILING - 1) + CEILING, COARSE)
    above = PROBABILITY.take(place + 1).astype(np.int64)
    above += (above - PROBABILITY.take(place)) * (rest - COARSE) // COARSE
    below = above[:, np.abs(twice) // 2]
    below = np.where(twice < 0, _ALL - below, below)
    return np.diff(below, axis=1, prepend=0, append=_ALL)
