"""What every network owes the experiments, over the table that configurations read."""

import jax
import jax.numpy as jnp
import pytest

from jaxcomp.models import MODELS
from jaxcomp.trees import named_leaves, weight_mask

PARAMETERS = {"lenet_300_100": 266_610, "lenet_5_caffe": 431_080}  # on 28 x 28 images, as published


def test_the_table_is_complete():
    assert PARAMETERS.keys() == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_shapes_and_parameter_count(name):
    model, images = MODELS[name](), jnp.zeros((2, 28, 28, 1))
    params = jax.eval_shape(model.init, jax.random.key(0), images)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == PARAMETERS[name]
    logits = jax.eval_shape(lambda p: model.apply({"params": p}, images), params)
    assert logits.shape == (2, 10)
    chosen = named_leaves(weight_mask(params))
    assert all(selected == name.endswith("/kernel") for name, selected in chosen.items())


@pytest.mark.parametrize("name", MODELS)
def test_dropout_is_for_training_only(name):
    model = MODELS[name](input_dropout=0.2, hidden_dropout=0.5)
    images = jax.random.uniform(jax.random.key(0), (2, 28, 28, 1))
    params = model.init(jax.random.key(0), images)
    plain = MODELS[name]().apply(params, images)
    assert jnp.array_equal(model.apply(params, images), plain)
    dropped = model.apply(params, images, dropout=True, rngs={"dropout": jax.random.key(1)})
    assert not jnp.allclose(dropped, plain)
