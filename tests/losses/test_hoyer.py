"""Hoyer's measures: bounds, and the cases of one and of equal magnitudes."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from jaxcomp.losses import compressibility, hoyer
from tests.helpers import IDENTITY, weights

hoyer_square_of = jax.jit(hoyer.hoyer_square_of)
normalized_hoyer_of = jax.jit(hoyer.normalized_hoyer_of)


@given(weights())
def test_bounds(w):
    assert 1 - 1e-5 <= float(hoyer_square_of([w])) <= np.count_nonzero(w) * (1 + 1e-5)
    assert -1e-5 <= float(normalized_hoyer_of([w])) <= 1 + 1e-5


@given(weights())
def test_both_are_functions_of_the_loss(w):
    ratio = float(compressibility(w))
    np.testing.assert_allclose(hoyer_square_of([w]), ratio**2, rtol=1e-5)
    if w.size > 1:
        expected = (ratio - 1) / (np.sqrt(w.size) - 1)
        np.testing.assert_allclose(normalized_hoyer_of([w]), expected, rtol=1e-5, atol=1e-6)


def test_special_cases():
    np.testing.assert_allclose(hoyer_square_of([jnp.array([2.0, 0.0, -2.0, 2.0])]), 3, rtol=1e-6)
    np.testing.assert_allclose(normalized_hoyer_of([jnp.full(9, -4.0)]), 1, rtol=IDENTITY)
    assert float(normalized_hoyer_of([jnp.zeros(9).at[2].set(5.0)])) == 0
    assert float(normalized_hoyer_of([jnp.array([5.0])])) == 0
