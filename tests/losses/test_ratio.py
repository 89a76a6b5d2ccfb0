"""The mathematics of ||w||_1 / ||w||_2: section by section what the docstrings promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.test_util import check_grads

from jaxcomp.losses import compressibility, ternary_level
from tests.helpers import FINITE_DIFFERENCE, IDENTITY, closed_form_gradient, weights

gradient = jax.jit(jax.grad(compressibility))


@given(weights())
def test_value_is_between_one_and_the_root_of_the_number_of_nonzeros(w):
    value = float(compressibility(w))
    assert 1 - IDENTITY <= value <= np.sqrt(np.count_nonzero(w)) * (1 + IDENTITY)


@pytest.mark.parametrize("k", [1, 2, 7, 30])
def test_ternary_vectors_attain_the_upper_bound_and_are_critical(k):
    w = jnp.zeros(40).at[jnp.arange(k)].set(0.3 * (-1.0) ** jnp.arange(k, dtype=float))
    np.testing.assert_allclose(compressibility(w), np.sqrt(k), rtol=IDENTITY)
    np.testing.assert_allclose(gradient(w), 0, atol=IDENTITY)
    np.testing.assert_allclose(ternary_level(w), 0.3, rtol=IDENTITY)


@given(weights(), st.floats(1e-3, 1e3), st.randoms(use_true_random=False))
def test_scale_sign_and_order_do_not_matter(w, scale, random):
    order = list(range(len(w)))
    random.shuffle(order)
    signs = np.array([random.choice([-1, 1]) for _ in w], np.float32)
    changed = (np.float32(scale) * signs * w)[order]
    np.testing.assert_allclose(compressibility(changed), compressibility(w), rtol=IDENTITY)


@given(weights())
def test_gradient_is_the_closed_form_and_exactly_zero_at_zeros(w):
    got = np.asarray(gradient(w))
    scale = 1 / np.linalg.norm(w.astype(np.float64))  # each term of the gradient is at most this
    np.testing.assert_allclose(got, closed_form_gradient(w), atol=1e-5 * scale, rtol=1e-5)
    assert np.all(got[w == 0] == 0)


@given(weights())
def test_gradient_is_orthogonal_to_the_weights(w):
    g = np.asarray(gradient(w), np.float64)
    assert abs(g @ w) <= 1e-5 * np.sqrt(len(w))


@given(weights())
def test_gradient_changes_sign_at_the_ternary_level(w):
    """Entries clearly below c are pushed to zero, those clearly above it up."""
    level, pull = float(ternary_level(w)), np.sign(w) * np.asarray(gradient(w))
    assert np.all(pull[(w != 0) & (np.abs(w) < 0.99 * level)] > 0)
    assert np.all(pull[np.abs(w) > 1.01 * level] < 0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("function", [compressibility, ternary_level])
def test_derivatives_against_finite_differences(function):
    w = np.random.default_rng(0).normal(size=(3, 4)) + 2.0 * (np.indices((3, 4))[0] % 2)
    check_grads(
        function, (jnp.asarray(w),), order=2, atol=FINITE_DIFFERENCE, rtol=FINITE_DIFFERENCE
    )


@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-30, 1e-20, 1.0, 1e20, 1e30, 3.4e38])
@pytest.mark.parametrize("pattern", [[1, 1, 1, 1], [1, 0, -1, 0.5], [1, 0, 0, 0], [1, 1e-30, 0, 0]])
@pytest.mark.parametrize("function", [compressibility, ternary_level])
def test_finite_over_the_whole_range_of_float32(function, pattern, size):
    w = jnp.asarray(np.array(pattern) * size, jnp.float32)
    value, slope = jax.value_and_grad(function)(w)
    assert jnp.isfinite(value)
    assert jnp.all(jnp.isfinite(slope))
    assert jnp.all(jnp.where(w == 0, slope == 0, True))


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_value_and_gradient_are_right_at_extreme_scales(size):
    w = np.array([3, 0, -4, 1])
    got = jax.value_and_grad(compressibility)(jnp.asarray(w * size, jnp.float32))
    np.testing.assert_allclose(got[0], 8 / np.sqrt(26), rtol=IDENTITY)
    np.testing.assert_allclose(got[1], closed_form_gradient(w) / size, rtol=1e-5)
    level, slope = jax.value_and_grad(ternary_level)(jnp.asarray(w * size, jnp.float32))
    np.testing.assert_allclose(level, size * 26 / 8, rtol=IDENTITY)
    np.testing.assert_allclose(slope, 2 * w / 8 - 26 * np.sign(w) / 64, rtol=1e-5)


def test_zero_vector_has_value_and_gradient_zero():
    value, slope = jax.value_and_grad(compressibility)(jnp.zeros(5))
    assert value == 0
    assert not slope.any()
    assert compressibility(jnp.zeros((0, 3))) == 0


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_types_accumulate_in_float32(dtype):
    # Added up in bfloat16, ones stop counting at 256.
    w = jnp.ones(10_000, dtype)
    value, slope = jax.value_and_grad(compressibility)(w)
    assert value.dtype == jnp.float32
    assert slope.dtype == dtype
    np.testing.assert_allclose(value, 100, rtol=IDENTITY)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_weights_stay_visible(bad):
    assert not jnp.isfinite(compressibility(jnp.array([1.0, bad, 0.0])))


@pytest.mark.parametrize("dtype", [jnp.int32, bool, jnp.complex64])
def test_other_types_are_refused(dtype):
    with pytest.raises(TypeError, match="floating-point"):
        compressibility(jnp.ones(3, dtype))


def test_compiled_once_for_one_shape():
    compressibility(jnp.ones(17))
    before = compressibility._cache_size()
    compressibility(jnp.zeros(17))
    assert compressibility._cache_size() == before


def test_descent_keeps_exact_zeros():
    """With `jnp.abs` the zeros would move: its derivative at 0 is 1 in JAX."""
    w = jnp.array([0.0, 1.0, -2.0, 0.0])
    for _ in range(3):
        w -= 0.1 * gradient(w)
    assert w[0] == 0
    assert w[3] == 0
