"""The penalties of the literature: values and slopes that are known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from jaxcomp.losses.baselines import l1_of, l2_of, transformed_l1_of
from tests.helpers import IDENTITY, weights


@jax.jit
def norms_and_gradients(w):
    return [jax.value_and_grad(lambda w, of=of: of([w]))(w) for of in (l1_of, l2_of)]


transformed = jax.jit(lambda w, a: transformed_l1_of([w], a=a))


@given(weights())
def test_norms_and_their_gradients(w):
    (l1, of_l1), (l2, of_l2) = norms_and_gradients(w)
    np.testing.assert_allclose(l1, np.abs(w).sum(), rtol=1e-5)
    np.testing.assert_allclose(l2, np.square(w).sum() / 2, rtol=1e-5)
    np.testing.assert_array_equal(of_l1, np.sign(w))
    np.testing.assert_allclose(of_l2, w, rtol=IDENTITY)


@given(weights())
def test_transformed_l1_lies_between_the_count_and_the_norm(w):
    np.testing.assert_allclose(transformed(w, 1e-9), np.count_nonzero(w), rtol=1e-5)
    np.testing.assert_allclose(transformed(w, 1e6), np.abs(w).sum(), rtol=1e-3)


def test_transformed_l1_pulls_less_at_larger_weights():
    slope = jax.grad(lambda w: transformed_l1_of([w]))(jnp.array([0.1, 1.0, 10.0]))
    np.testing.assert_allclose(slope, 2 / (1 + np.array([0.1, 1.0, 10.0])) ** 2, rtol=IDENTITY)
