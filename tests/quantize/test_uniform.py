"""Uniform quantization: bounds, fixed points, the number of values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.quantize import step_of_bits, uniform
from tests.helpers import IDENTITY, weights

rounded = jax.jit(uniform)


@given(weights(max_size=8), st.floats(0.01, 10))
def test_error_is_at_most_half_a_step_and_zeros_stay(w, step):
    q = np.asarray(rounded(w, step))
    assert np.all(np.abs(q - w) <= step / 2 + 1e-5 * np.abs(w).max())
    assert not q[w == 0].any()
    np.testing.assert_allclose(rounded(q, step), q, atol=1e-5 * np.abs(w).max())


@pytest.mark.parametrize("apply", [uniform, rounded])
def test_small_negative_entries_become_positive_zeros(apply):
    q = np.asarray(apply(jnp.asarray([-0.2, -0.0, 0.2, -1.0]), 1.0))
    np.testing.assert_array_equal(np.signbit(q), [False, False, False, True])


def test_the_gradient_goes_straight_through():
    w, g = jnp.asarray([-0.2, 0.0, 0.4, 7.0]), jnp.asarray([1.0, 2.0, -3.0, 4.0])
    of_w = jax.grad(lambda w: jnp.vdot(uniform(w, step_of_bits(w, 3)), g))(w)
    np.testing.assert_array_equal(of_w, g)


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_bits_bound_the_number_of_values_and_keep_the_largest(bits):
    w = jnp.linspace(-3, 3, 5_000)
    q = np.asarray(uniform(w, step_of_bits(w, bits)))
    assert len(np.unique(q)) == 2**bits - 1
    np.testing.assert_allclose(np.abs(q).max(), np.abs(w).max(), rtol=IDENTITY)


def test_type_is_kept_and_the_zero_tensor_survives():
    zero = jnp.zeros((2, 2), jnp.bfloat16)
    q = uniform(zero, step_of_bits(zero, 4))
    assert q.dtype == jnp.bfloat16
    assert not q.any()


@pytest.mark.parametrize("bits", [2, 5, 8])
def test_multiples_are_exact_in_a_type_of_few_digits(bits):
    w = jnp.linspace(-2.9, 2.9, 5_000, dtype=jnp.bfloat16)
    step = step_of_bits(w, bits)
    assert step.dtype == jnp.bfloat16
    q = np.asarray(uniform(w, step))
    numbers = np.rint(q.astype(np.float64) / float(step))
    assert np.abs(numbers).max() == 2 ** (bits - 1) - 1
    np.testing.assert_array_equal(q, (numbers * float(step)).astype(jnp.bfloat16))


def test_tiny_weights_have_a_step_that_can_be_divided_by():
    w = jnp.asarray([1e-7, -5e-8], jnp.float16)
    assert step_of_bits(w, 8) > 0
    assert np.all(np.isfinite(uniform(w, step_of_bits(w, 8))))


@pytest.mark.parametrize("step", [0.0, -1.0, float("inf"), float("nan")])
def test_bad_steps(step):
    with pytest.raises(ValueError, match=f"positive and finite, got {step}"):
        uniform(jnp.ones(3), step)


@pytest.mark.parametrize("bits", [1, 9])
def test_bad_bits(bits):
    with pytest.raises(ValueError, match=f"from 2 to 8, got {bits}"):
        step_of_bits(jnp.ones(3), bits)
