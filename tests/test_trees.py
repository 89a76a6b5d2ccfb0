"""Names of leaves and the default choice of weights, in every framework's trees."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from jaxcomp.trees import named_leaves, resolve_mask, weight_mask


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.MultiHeadDotProductAttention(num_heads=2)(x)
        return nn.Dense(3)(nn.LayerNorm()(x))


class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.dense = nnx.Linear(4, 3, rngs=rngs)
        self.norm = nnx.LayerNorm(3, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(3, 3, rngs=rngs)])


def selected(params):
    return {name for name, chosen in named_leaves(weight_mask(params)).items() if chosen}


def test_linen_kernels_are_weights_and_attention_biases_are_not():
    params = LinenNet().init(jax.random.key(0), jnp.ones((1, 5, 4)))["params"]
    attention = "MultiHeadDotProductAttention_0"
    assert selected(params) == {"Dense_0/kernel"} | {
        f"{attention}/{part}/kernel" for part in ("key", "query", "value", "out")
    }
    assert params[attention]["query"]["bias"].ndim == 2


def test_nnx_names_are_the_same_with_and_without_variables():
    state = nnx.state(NNXNet(nnx.Rngs(0)), nnx.Param)
    assert selected(state) == {"dense/kernel", "blocks/0/kernel"}
    assert named_leaves(state).keys() == named_leaves(nnx.as_pure(state)).keys()


def test_equinox_weights():
    model = eqx.nn.MLP(2, 3, 4, depth=1, key=jax.random.key(0))
    assert selected(eqx.filter(model, eqx.is_array)) == {"layers/0/weight", "layers/1/weight"}


def test_scalars_and_integers_are_not_weights():
    params = {"temperature": jnp.ones(()), "table": jnp.ones((3, 3), jnp.int32)}
    assert selected(params) == set()


def test_an_equinox_module_of_bools_is_a_mask_although_it_is_callable():
    model = eqx.filter(eqx.nn.Linear(2, 3, key=jax.random.key(0)), eqx.is_array)
    mask = jax.tree.map(lambda leaf: leaf.ndim > 1, model)
    assert callable(mask)
    assert named_leaves(resolve_mask(mask, model)) == {"weight": True, "bias": False}


def test_a_leaf_that_is_not_an_array_is_named():
    model = eqx.nn.MLP(2, 2, 2, depth=1, key=jax.random.key(0))  # holds its activation function
    with pytest.raises(TypeError, match=r"'activation.*' is a .*eqx\.filter"):
        weight_mask(model)
