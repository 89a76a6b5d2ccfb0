"""Bootstrap intervals."""

import math

import numpy as np
import pytest

from experiments.report.statistics import mean_with_interval


def test_the_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [mean_with_interval(list(rng.normal(size=30))) for _ in range(100)]
    covered = np.mean([one["low"] <= 0 <= one["high"] for one in intervals])
    assert 0.88 <= covered <= 1


def test_the_interval_of_normal_values_is_that_of_their_standard_error():
    values = np.random.default_rng(1).normal(size=200)
    interval = mean_with_interval(list(values))
    error = values.std(ddof=1) / np.sqrt(200)
    ends = [(interval[end] - values.mean()) / error for end in ("low", "high")]
    np.testing.assert_allclose(ends, [-1.96, 1.96], rtol=0.1)


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0, 2.0]])
def test_without_spread_the_interval_is_the_mean(values):
    result = mean_with_interval(values)
    assert result["low"] == result["mean"] == result["high"] == values[0]
    assert result["values"] == values


def test_numbers_that_are_not_finite_are_not_hidden():
    found = mean_with_interval([1.0, math.nan, 2.0])
    assert all(math.isnan(found[key]) for key in ("mean", "low", "high"))
