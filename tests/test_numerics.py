"""The building blocks at their singular points."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.numerics import magnitude, safe_quotient, safe_sqrt
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
