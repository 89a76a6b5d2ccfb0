"""The networks of LeCun et al. beyond what the contract of all models asks for."""

import jax
import jax.numpy as jnp
import pytest

from jaxcomp.models import LeNet5Caffe, LeNet300100
from tests.models.variables import random_variables


@pytest.mark.parametrize("model", [LeNet300100, LeNet5Caffe])
def test_pixels_are_dropped_in_training_only(model):
    images = jax.random.uniform(jax.random.key(0), (2, 28, 28, 1))
    params = random_variables(model(), images)
    plain = jax.jit(model().apply)(params, images)
    wet = model(input_dropout=0.2)
    assert jnp.array_equal(jax.jit(wet.apply)(params, images), plain)
    key = {"dropout": jax.random.key(1)}
    dropped = jax.jit(lambda v: wet.apply(v, images, dropout=True, rngs=key))(params)
    assert not jnp.allclose(dropped, plain)
