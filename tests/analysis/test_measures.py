"""Measures against their definitions, worked out slowly."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxcomp.analysis.measures import Measures, measures
from tests.helpers import IDENTITY, small_params, weights


def nearest_ternary_by_sorting(w):
    """Relative distance to the nearest ternary vector: every size of support, each exactly."""
    m = np.sort(abs(w.astype(np.float64)))[::-1]
    gain = np.cumsum(m) ** 2 / np.arange(1, len(m) + 1)
    return math.sqrt(max(0.0, 1 - gain.max() / np.sum(m**2)))


def nearest_ternary_by_trying_all(w):
    w = w.astype(np.float64)
    best = np.sum(w**2)
    for pattern in itertools.product([-1, 0, 1], repeat=len(w)):
        q = np.array(pattern, float)
        if q.any():
            c = max(0.0, q @ w / (q @ q))
            best = min(best, np.sum((w - c * q) ** 2))
    return math.sqrt(best / np.sum(w**2))


@given(weights(max_size=5))
def test_the_search_by_sorting_is_the_search_over_all(w):
    np.testing.assert_allclose(
        nearest_ternary_by_sorting(w), nearest_ternary_by_trying_all(w), atol=1e-7
    )


@given(weights(max_size=8))
def test_ternary_distance(w):
    np.testing.assert_allclose(
        measures(w).ternary_distance, nearest_ternary_by_sorting(w), atol=2e-3
    )


@pytest.mark.parametrize("draw", ["normal", "laplace", "standard_cauchy"])
def test_ternary_distance_of_many_weights(draw):
    w = getattr(np.random.default_rng(0), draw)(size=20_000).astype(np.float32)
    got, expected = float(measures(w).ternary_distance), nearest_ternary_by_sorting(w)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_the_nearest_ternary_vector_is_a_local_optimum():
    """Each entry belongs to the nearer of 0 and the level, and the level is the mean of its own."""
    w = np.random.default_rng(1).laplace(size=20_000).astype(np.float32)
    kept = int(measures(w).ternary_nonzeros)
    level = np.sort(np.abs(w))[::-1][:kept].mean()
    assert abs(kept - np.sum(np.abs(w) > level / 2)) <= 20


def test_of_a_ternary_vector():
    w = jnp.array([0.3] * 30 + [-0.3] * 10 + [0.0] * 360)
    m = measures(w)
    assert m.nonzeros == m.live == m.ternary_nonzeros == 40
    np.testing.assert_allclose(m.effective_nonzeros, 40, rtol=IDENTITY)
    np.testing.assert_allclose(m.compressibility, np.sqrt(40), rtol=IDENTITY)
    np.testing.assert_allclose(m.level, 0.3, rtol=IDENTITY)
    np.testing.assert_allclose(m.ternary_distance, 0, atol=1e-6)
    signs = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    np.testing.assert_allclose(m.nonzero_entropy, signs, rtol=1e-5)
    p = np.array([30, 10, 360]) / 400
    np.testing.assert_allclose(m.bits_per_weight, -np.sum(p * np.log2(p)), rtol=1e-5)
    bits = math.log2(math.comb(400, 40)) + 40
    np.testing.assert_allclose(m.ternary_bits_per_weight, bits / 400, rtol=1e-4)


@given(weights(max_size=8))
def test_scale_and_signs_do_not_matter_but_for_the_level(w):
    one, other = measures(w), measures(-4 * w)
    for name in Measures._fields:
        factor = 4 if name == "level" else 1
        np.testing.assert_allclose(getattr(other, name), factor * getattr(one, name), atol=1e-5)


@given(weights(max_size=8))
def test_hoyer_sparsity_is_between_zero_and_one(w):
    assert -IDENTITY <= measures(w).hoyer_sparsity <= 1 + IDENTITY


def test_hoyer_sparsity_at_its_ends():
    np.testing.assert_allclose(measures(jnp.ones(9)).hoyer_sparsity, 0, atol=IDENTITY)
    np.testing.assert_allclose(measures(jnp.zeros(9).at[3].set(2)).hoyer_sparsity, 1)


def test_the_entropy_of_the_non_zeros_counts_values():
    # c = 1 nearly: multiples of c / 4 tell 1 from 2, and both from their negatives.
    w = np.array([1.0, -1.0, 2.0, -2.0] * 50 + [0.0] * 100, np.float32)
    np.testing.assert_allclose(measures(w).nonzero_entropy, 2, rtol=1e-5)


@pytest.mark.parametrize("n", [1, 5])
def test_the_zero_vector(n):
    m = measures(jnp.zeros(n))._asdict()
    assert m.pop("hoyer_sparsity") == 1
    assert max(m.values()) < 1e-6


def test_of_a_tree_only_the_weights_count():
    params = small_params()
    joined = np.concatenate([layer["kernel"].ravel() for layer in params.values()])
    for one, other in zip(measures(params), measures(joined), strict=True):
        np.testing.assert_allclose(one, other, rtol=IDENTITY)
    with pytest.raises(ValueError, match="selects none"):
        measures(params, mask=False)
