"""The ternary gap: zero if and only if ternary, scale-free, the angle to the nearest ternary."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from jaxcomp.losses import compressibility, penalty_tree, ternary_gap
from tests.helpers import small_params, weights

ternary_gap_of = jax.jit(ternary_gap.ternary_gap_of)


@given(weights())
def test_is_the_distance_of_the_loss_from_its_largest_value_on_the_support(w):
    k = np.count_nonzero(w)
    expected = np.sqrt(k) * (np.sqrt(k) - float(compressibility(w)))
    np.testing.assert_allclose(ternary_gap_of([w]), expected, rtol=1e-4, atol=1e-4)


@given(weights())
def test_is_zero_exactly_for_ternary_vectors(w):
    assert float(ternary_gap_of([0.3 * np.sign(w)])) <= 1e-10
    magnitudes = np.abs(w[w != 0])
    if magnitudes.max() > 1.01 * magnitudes.min():
        assert float(ternary_gap_of([w])) > 1e-6


def test_is_k_times_one_minus_the_cosine_to_the_flat_vector():
    w = jnp.array([1.0, 2.0, 0.0, -5.0])
    cosine = 8 / np.sqrt(30 * 3)
    np.testing.assert_allclose(ternary_gap_of([w]), 3 * (1 - cosine), rtol=1e-6)


def test_small_distances_of_many_weights_are_exact():
    # sqrt(k) (sqrt(k) - L) in float32 is off by 5 % here.
    w = 1 + 1e-3 * np.random.default_rng(0).standard_normal(100_000)
    expected = w.size - np.sqrt(w.size) * np.abs(w).sum() / np.linalg.norm(w)
    np.testing.assert_allclose(ternary_gap_of([w.astype(np.float32)]), expected, rtol=1e-3)


def test_descent_makes_magnitudes_equal_and_keeps_zeros_and_signs():
    w = jnp.array([0.5, -1.0, 0.0, 2.0, -1.5])
    slope = jax.jit(jax.grad(lambda w: ternary_gap_of([w])))
    start = w
    for _ in range(300):
        w = w - 0.1 * slope(w)
    assert float(ternary_gap_of([w])) < 1e-6
    np.testing.assert_array_equal(jnp.sign(w), jnp.sign(start))


def test_per_unit_each_column_may_have_a_level_of_its_own():
    def gap(params, scope):
        return float(jax.jit(lambda p: penalty_tree(p, "ternary_gap", scope=scope))(params))

    kernel = np.float32([[1.0, 0.0, 3.0], [-1.0, 2.0, 3.0]])
    assert gap({"kernel": kernel}, "unit") <= 1e-6
    assert gap({"kernel": kernel}, "tensor") > 0.1
    assert gap(small_params(), "unit") > 0.1
