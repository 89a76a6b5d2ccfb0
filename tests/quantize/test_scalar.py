"""Quantisers of one array: levels whose values are near, fixed points, slices."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxcomp
from jaxcomp.quantize.codebook import EXACT, codebook, fit_codebook
from jaxcomp.quantize.scalar import bits_levels, codebook_levels, step_levels, ternary_levels
from tests.helpers import weights

QUANTIZERS = {
    "ternary": ternary_levels,
    "bits": lambda w: bits_levels(w, 5),
    "step": lambda w: step_levels(w, 0.37),
    "codebook": lambda w: codebook_levels(w, 6),
}


@pytest.mark.parametrize("name", QUANTIZERS)
@given(w=weights())
def test_zeros_stay_and_rounding_twice_is_rounding_once(name, w):
    q = QUANTIZERS[name](w).values()
    assert not q[w == 0].any()
    assert q.dtype == w.dtype
    again = QUANTIZERS[name](q).values()
    np.testing.assert_allclose(again, q, rtol=1e-5, atol=1e-6 * np.abs(w).max())


@given(weights(), st.integers(2, 8))
def test_bits_bound_the_error_and_the_levels(w, bits):
    rounded = bits_levels(w, bits)
    top, largest = np.abs(w).max(), 2 ** (bits - 1) - 1
    assert np.abs(rounded.levels).max() == largest
    assert np.abs(rounded.values() - w).max() <= 0.5001 * top / largest


def test_the_ternary_level_is_the_theorem_s():
    w = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    w[np.abs(w) < 0.5] = 0
    levels, step = ternary_levels(w)
    np.testing.assert_allclose(step, jaxcomp.ternary_level(jnp.asarray(w)), rtol=1e-6)
    np.testing.assert_array_equal(levels, np.sign(w))


@pytest.mark.parametrize(
    "quantizer", [ternary_levels, lambda w, axis: bits_levels(w, 4, axis=axis)]
)
@pytest.mark.parametrize("axis", [0, -1])
def test_slices_are_rounded_each_by_itself(quantizer, axis):
    w = np.random.default_rng(0).normal(size=(6, 5, 4)) * np.arange(1, 5)
    w[:, :, 2] = 0
    whole = quantizer(w, axis=axis).values()
    for i in range(w.shape[axis]):
        part = quantizer(np.take(w, i, axis), axis=None).values()
        np.testing.assert_allclose(np.take(whole, i, axis), part, rtol=1e-12)


def test_half_precision_has_values_of_its_own_type():
    w = np.linspace(-1, 1, 100).astype(ml_dtypes.bfloat16)
    for quantizer in QUANTIZERS.values():
        q = quantizer(w).values()
        assert q.dtype == w.dtype
        assert np.abs(q.astype(np.float32) - w.astype(np.float32)).max() < 0.7


def test_a_sampled_codebook_is_almost_the_best():
    w = np.random.default_rng(0).laplace(size=EXACT + 70_000).astype(np.float32)

    def error(codebook):
        borders = (codebook[1:] + codebook[:-1]) / 2
        return np.sum((w - codebook[np.searchsorted(borders, w)]).astype(np.float64) ** 2)

    import kmeans1d

    best = np.array(kmeans1d.cluster(w.astype(np.float64), 8)[1], np.float32)
    assert error(fit_codebook(w, 8)) < 1.001 * error(best)


def test_a_codebook_as_an_array():
    w = np.array([[0.0, 1.0, 1.1], [-2.0, 0.0, 5.0]], np.float32)
    np.testing.assert_array_equal(codebook(w, 4), codebook_levels(w, 4).values())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda w: step_levels(w, 0.0), "positive and finite, got 0.0"),
        (lambda w: step_levels(w, float("nan")), "positive and finite, got nan"),
        (lambda w: step_levels(w, 1e-8), "more than 32767: give a larger step"),
        (lambda w: step_levels(w, 1e-60), "zero or infinite in type float32"),
        (lambda w: bits_levels(w, 1), "from 2 to 8, got 1"),
        (lambda w: bits_levels(w, 9), "from 2 to 8, got 9"),
        (lambda w: codebook_levels(w, 257), "from 2 to 256, got 257"),
    ],
)
def test_values_that_cannot_work(function, message):
    with pytest.raises(ValueError, match=message):
        function(np.ones(3, np.float32))
