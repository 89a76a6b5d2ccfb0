"""How much longer one thing takes than another, on a machine that others use too.

Both are timed in turns, so that what slows the machine down slows both, and each turn gives one
ratio; of the ratios the median counts, and the quartiles say how far it can be trusted.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

Work = Callable[[], Any]  # gives what one call computes; it need not be ready
Clock = Callable[[], float]  # gives seconds


class Pair(NamedTuple):
    """Seconds for each call, turn by turn."""

    baseline: list[float]
    variant: list[float]

    def ratios(self) -> np.ndarray:
        """The variant over the baseline, of each turn."""
        return np.array(self.variant) / np.array(self.baseline)


def in_turns(
    baseline: Work, variant: Work, repeats: int, seconds: float, clock: Clock = time.perf_counter
) -> Pair:
    """Both in turns, each time as many calls as take about `seconds`, and at least one.

    Calls follow each other without waiting, so that an accelerator is kept busy. The first calls
    compile, and do not count. With `time.process_time` for a clock, the time of a core in which
    other processes have it does not count either.
    """
    works = (baseline, variant)
    for work in works:
        _per_call(work, 2, clock)
    calls = [max(1, round(seconds / _per_call(work, 3, clock))) for work in works]
    times = Pair([], [])
    for repeat in range(repeats):
        # The order changes each time: what comes second may find a warmer, slower machine.
        for which in (0, 1) if repeat % 2 == 0 else (1, 0):
            times[which].append(_per_call(works[which], calls[which], clock))
    return times


def spread(values: np.ndarray) -> dict[str, float]:
    """Median, quartiles and extremes."""
    names = ("min", "lower_quartile", "median", "upper_quartile", "max")
    quantiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return {name: float(value) for name, value in zip(names, quantiles, strict=True)}


def _per_call(work: Work, calls: int, clock: Clock) -> float:
    begin = clock()
    for _ in range(calls):
        result = work()
    jax.block_until_ready(result)
    return (clock() - begin) / calls
