"""Means over seeds, with intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 10_000


def mean_with_interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean, 95 % percentile bootstrap interval of the mean, and the values.

    With five seeds such an interval is somewhat too narrow; the values are there to be seen.
    """
    sample = np.asarray(values, float)
    low = high = float(sample.mean())
    if len(set(values)) > 1 and np.isfinite(sample).all():
        interval = stats.bootstrap(
            (sample,),
            np.mean,
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return {
        "mean": significant(sample.mean()),
        "low": significant(low),
        "high": significant(high),
        "values": [significant(value) for value in values],
    }


def significant(value: float) -> float:
    """Six significant digits, which keep records small."""
    return float(f"{value:.6g}")
