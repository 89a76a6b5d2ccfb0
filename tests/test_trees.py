"""Names of leaves and the default choice of weights, in every framework's trees."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxcomp
from jaxcomp.trees import (
    describe_mask,
    named_leaves,
    replace_leaves,
    resolve_mask,
    select,
    weight_mask,
)
from jaxcomp.weights import are_weights, scale_integers
from tests.units import Network, Parameter


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


def arrays(**shapes):
    """Names and shapes of floats, of int8 where the name starts with `int_`."""
    return [
        (name, jax.ShapeDtypeStruct(shape, jnp.int8 if name.startswith("int_") else jnp.float32))
        for name, shape in shapes.items()
    ]


@pytest.mark.parametrize("divider", ["/", "."])
def test_names_of_all_kinds_have_one_rule(divider):
    shape = jax.ShapeDtypeStruct((4, 2), jnp.float32)
    names = ["a/query/bias", "a/query/kernel", "bias", "a/scale", "biases/w", "a/b_bias"]
    leaves = [(name.replace("/", divider), shape) for name in names]
    assert are_weights(leaves) == [False, True, False, False, True, True]


def test_what_scales_integers_is_no_weight():
    leaves = arrays(
        int_w=(64, 32),
        w_scale=(64, 4),  # for each 8 columns: by its name
        gains=(64, 1),  # by its shape
        both=(1, 1),
        absmax=(64,),
        v=(64, 32),
        u=(32, 64),
        row=(1, 16),  # fits no integers
    )
    leaves += [("layer.scales", leaves[1][1]), ("int_w/zero_point", leaves[2][1])]
    found = {name for (name, _), one in zip(leaves, scale_integers(leaves), strict=True) if one}
    assert found == {"w_scale", "gains", "both", "absmax", "int_w/zero_point"}
    weights = {name for (name, _), one in zip(leaves, are_weights(leaves), strict=True) if one}
    assert weights == {"v", "u", "row", "layer.scales"}
    tree = {"w": jnp.ones((4, 2), jnp.int8), "gain": jnp.ones((4, 1)), "v": jnp.ones((4, 2))}
    assert weight_mask(tree) == {"w": False, "gain": False, "v": True}


def test_indices_beside_weights_are_no_quantized_weights():
    leaves = [
        ("a.position_ids", jax.ShapeDtypeStruct((1, 512), np.dtype("int64"))),
        ("a.row", jax.ShapeDtypeStruct((1, 1), jnp.float32)),
    ]
    assert scale_integers(leaves) == [False, False]


def test_leaves_whose_names_join_to_the_same_are_all_selected():
    params = {"a/b": jnp.ones((2, 2)), "a": {"b": 2 * jnp.ones((2, 2))}}
    assert len(named_leaves(params)) == 1
    assert sorted(float(leaf.sum()) for leaf in select(params, None)) == [4, 8]


def test_a_matrix_of_one_s_own_is_left_out_by_its_name_alone_and_said_so():
    params = {"scale": jnp.ones((3, 3)), "levels": jnp.ones((3, 3)), "var": jnp.ones((2, 2))}
    # No levels of a quantized tensor: there is none beside them.
    assert weight_mask(params) == {"scale": False, "levels": True, "var": False}
    said = {choice.name: choice.why for choice in describe_mask(params).choices}
    for name in ("scale", "var"):
        assert said[name] == f"its name alone, '{name}'; a mask or a network can include it"


def test_a_network_chooses_weights_by_their_use():
    uses = {
        "scale": "dense",
        "conv": "convolution",
        "tokens": "embedding",
        "kernel": "elementwise",
        "w": "unknown",
        "v": "unused",
        "vector": "dense",
        "integers": "dense",
    }
    known = Network({name: Parameter(use, None, f"why {name}") for name, use in uses.items()})
    params = {name: jnp.ones((2, 2)) for name in uses}
    params |= {"vector": jnp.ones(2), "integers": jnp.ones((2, 2), jnp.int8)}
    mask = weight_mask(params, network=known)
    assert {name for name, one in mask.items() if one} == {"scale", "conv", "tokens", "vector"}
    table = str(describe_mask(params, network=known))
    assert len(table.splitlines()) == 1 + len(params)
    for line in ("scale     2x2    yes      its use: dense; why scale", "its use: unknown; why w"):
        assert line in table
    assert "integers  2x2    no       it is of type int8, not floating-point" in table
    assert jaxcomp.compressibility_tree(params, network=known) > 0
    with pytest.raises(ValueError, match="no parameter 'other'"):
        weight_mask({"other": jnp.ones((2, 2))}, network=known)


def test_an_empty_tree_is_described():
    assert str(describe_mask({})) == "leaf  shape  weights  why"


def test_leaves_are_replaced_by_name_in_any_tree():
    layer = eqx.nn.Linear(2, 3, key=jax.random.key(0))
    named = {name: np.full(w.shape, 7.0) for name, w in named_leaves(layer).items()}
    back = replace_leaves(layer, dict(reversed(named.items())))
    assert isinstance(back, eqx.nn.Linear)
    assert back.weight is named["weight"]
    assert back.bias is named["bias"]
    for wrong, message in (
        ({"weight": named["weight"]}, "there is no 'bias' among"),
        (named | {"more": 1}, "has no leaf 'more', only"),
        (named | {"bias": np.ones(2)}, r"'bias' has shape \(2,\), and \(3,\) in the tree"),
    ):
        with pytest.raises(ValueError, match=message):
            replace_leaves(layer, wrong)
