"""The penalties of the literature: values and slopes that are known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from jaxcomp.losses.baselines import l1_of, l2_of, transformed_l1_of
from tests.helpers import IDENTITY, weights


@given(weights())
def test_norms_and_their_gradients(w):
    np.testing.assert_allclose(l1_of([w]), np.abs(w).sum(), rtol=1e-5)
    np.testing.assert_allclose(l2_of([w]), np.square(w).sum() / 2, rtol=1e-5)
    np.testing.assert_array_equal(jax.grad(lambda w: l1_of([w]))(w), np.sign(w))
    np.testing.assert_allclose(jax.grad(lambda w: l2_of([w]))(w), w, rtol=IDENTITY)


@given(weights())
def test_transformed_l1_lies_between_the_count_and_the_norm(w):
    np.testing.assert_allclose(transformed_l1_of([w], a=1e-9), np.count_nonzero(w), rtol=1e-5)
    np.testing.assert_allclose(transformed_l1_of([w], a=1e6), np.abs(w).sum(), rtol=1e-3)


def test_transformed_l1_pulls_less_at_larger_weights():
    slope = jax.grad(lambda w: transformed_l1_of([w]))(jnp.array([0.1, 1.0, 10.0]))
    np.testing.assert_allclose(slope, 2 / (1 + np.array([0.1, 1.0, 10.0])) ** 2, rtol=IDENTITY)
