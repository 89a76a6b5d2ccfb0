"""Errors of rounding: any scale, undefined numbers, outliers that hide the others."""

import numpy as np
import pytest

from jaxcomp.quantize.error import error_of, relative_error, total, trimmed_error


@pytest.mark.parametrize("scale", [1.0, 2.0**1000, 2.0**-1000])
def test_it_is_the_quotient_of_norms_at_any_scale(scale):
    rng = np.random.default_rng(0)
    w, q = rng.normal(size=(2, 30, 20))
    expected = np.linalg.norm(w - q) / np.linalg.norm(w)
    np.testing.assert_allclose(relative_error(scale * w, scale * q), expected, rtol=1e-12)
    parts = [error_of(scale * a, scale * b) for a, b in zip(w, q, strict=True)]
    np.testing.assert_allclose(total(parts).relative, expected, rtol=1e-12)


def test_arrays_of_very_different_scale_as_one():
    large, small = (
        error_of(np.full(4, 1e200), np.full(4, 0.9e200)),
        error_of(np.ones(3), np.zeros(3)),
    )
    np.testing.assert_allclose(total([large, small]).relative, 0.1, rtol=1e-12)
    assert total([]).relative == 0
    assert total([error_of(np.zeros(2), np.zeros(2)), small]).relative == 1


def test_what_is_not_finite_and_stays_is_no_error():
    w = np.array([np.nan, np.inf, 3.0, 4.0])
    assert relative_error(w, w.copy()) == 0
    assert relative_error(w, np.array([np.nan, np.inf, 3.0, 0.0])) == 0  # beside infinity
    assert relative_error(w[[0, 2, 3]], np.array([np.nan, 3.0, 0.0])) == 0.8
    assert np.isnan(relative_error(w, np.zeros(4)))
    assert relative_error(np.arange(3), np.zeros(3, int)) == 0  # integers are never rounded


@pytest.mark.parametrize("outliers", [1, 3])
def test_outliers_do_not_hide_that_the_others_are_lost(outliers):
    w = np.random.default_rng(0).normal(size=5_000).astype(np.float32)
    w[:outliers] = 1e30
    q = np.where(np.arange(w.size) < outliers, w, 0)
    assert relative_error(w, q) < 1e-20
    assert trimmed_error(w, q) == 1


def test_without_outliers_trimming_changes_little():
    w = np.random.default_rng(0).normal(size=5_000)
    q = np.rint(w)
    np.testing.assert_allclose(trimmed_error(w, q), relative_error(w, q), rtol=0.02)
    ternary = np.array([1.0, -1.0, 0.0])
    assert trimmed_error(ternary, 0.5 * ternary) == 0.5  # none is smaller than the largest
    assert trimmed_error(np.ones(1), np.zeros(1)) == 1
    assert trimmed_error(np.zeros(3), np.zeros(3)) == 0
