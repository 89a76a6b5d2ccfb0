"""The building blocks at their singular points."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.numerics import magnitude, safe_quotient, safe_sqrt, scaled_norms
from tests.helpers import IDENTITY


def test_magnitude_has_derivative_zero_at_zero():
    x = jnp.array([-2.0, 0.0, -0.0, 3.0])
    np.testing.assert_array_equal(magnitude(x), jnp.abs(x))
    np.testing.assert_array_equal(jax.vmap(jax.grad(magnitude))(x), [-1, 0, 0, 1])


def test_quotient_and_root_have_value_and_derivative_zero_at_zero():
    assert jax.value_and_grad(safe_sqrt)(0.0) == (0, 0)
    assert jax.value_and_grad(safe_quotient, argnums=1)(1.0, 0.0) == (0, 0)
    np.testing.assert_allclose(jax.grad(safe_sqrt)(4.0), 0.25, rtol=IDENTITY)
    np.testing.assert_allclose(jax.grad(safe_quotient, argnums=1)(1.0, 2.0), -0.25, rtol=IDENTITY)


def test_nan_is_not_hidden():
    assert jnp.isnan(safe_sqrt(jnp.nan))
    assert jnp.isnan(safe_quotient(1.0, jnp.nan))
    assert jnp.isnan(scaled_norms([jnp.array([0.0, jnp.nan])]).l1)


def test_norms_of_several_arrays_are_those_of_their_concatenation():
    arrays = [jnp.array([3.0, -4.0]), jnp.array([[12.0]])]
    scale, l1, sum_of_squares = scaled_norms(arrays)
    np.testing.assert_allclose([scale * l1, scale**2 * sum_of_squares], [19, 169], rtol=IDENTITY)
