"""The penalties that the loss is held against."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.losses import l1_tree, l2_tree
from tests.helpers import IDENTITY, small_params


def joined(params):
    return np.concatenate([np.asarray(layer["kernel"]).ravel() for layer in params.values()])


def test_values_are_the_norms_of_all_weights_without_biases():
    w = joined(small_params())
    np.testing.assert_allclose(l1_tree(small_params()), np.abs(w).sum(), rtol=IDENTITY)
    np.testing.assert_allclose(l2_tree(small_params()), (w**2).sum() / 2, rtol=IDENTITY)


def test_gradients_are_the_signs_and_the_weights_and_zero_at_zeros():
    params = small_params()
    l1, l2 = (joined(jax.grad(penalty)(params)) for penalty in (l1_tree, l2_tree))
    np.testing.assert_array_equal(l1, np.sign(joined(params)))
    np.testing.assert_allclose(l2, joined(params), rtol=IDENTITY)


@pytest.mark.parametrize("penalty", [l1_tree, l2_tree])
def test_narrow_types_are_accumulated_in_float32(penalty):
    params = {"kernel": jnp.ones((100, 100), jnp.bfloat16)}
    assert penalty(params).dtype == jnp.float32
    assert float(penalty(params)) in (10_000, 5_000)
