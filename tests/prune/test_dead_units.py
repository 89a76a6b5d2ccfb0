"""Removing dead units, case by case: constants, and units without influence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.models import MODELS
from jaxcomp.models.batch_norm import unit_statistics
from jaxcomp.prune import apply_mask, remove_dead_units, top_k_mask
from tests.prune.removal import X, hidden, layers, removed, two_layers, values

KEY = jax.random.key(0)
LARGE = {"lenet_300_100": (4, 28, 28, 1), "resnet_20": (2, 16, 16, 3), "vgg_16": (2, 32, 32, 3)}

# Constants


def test_a_constant_unit_is_folded():
    params = layers(a=[[0, 2]], b=[0.5, 0.5], c=[[3], [4]], d=[0.5])
    result = removed(two_layers, params, X[:, :1])
    assert values(result) == {"a": [[0, 2]], "b": [0, 0.5], "c": [[0], [4]], "d": [2]}
    assert (result.nonzeros_before, result.nonzeros_after, result.refused) == (6, 4, ())


def test_a_constant_unit_that_feeds_two_layers_is_folded_into_both():
    params = layers(a=[[0, 2]], b=[0.5, 0], c=[[3], [4]], d=[0], e=[[6], [0]], f=[1])

    def apply(params, x):
        y = hidden(params, x)
        return y @ params["c"] + params["d"][None], y @ params["e"] + params["f"][None]

    result = removed(apply, params, X[:, :1])
    assert values(result) == {
        **{"a": [[0, 2]], "b": [0, 0], "c": [[0], [4]], "d": [1.5]},
        **{"e": [[0], [0]], "f": [4]},
    }


def test_a_constant_unit_stays_where_one_of_two_layers_refuses_and_tells_which():
    params = layers(a=[[0, 2]], b=[0.5, 0], c=[[3], [4]], d=[0], e=[[6], [0]])

    def apply(params, x):
        y = hidden(params, x)
        return y @ params["c"] + params["d"][None], y @ params["e"]

    result = removed(apply, params, X[:, :1])
    assert values(result)["b"] == [0.5, 0]
    assert values(result)["c"] == [[0], [4]]
    assert result.refused == (
        "input 0 of 'e' always is 0.5: the network's output follows, without a bias to take it",
    )


def test_constants_go_on_from_layer_to_layer():
    params = layers(a=[[0], [0], [0]], b=[2], c=[[3]], d=[-1], e=[[7]], f=[1])

    def apply(params, x):
        y = jnp.tanh(two_layers(params, x))
        return y @ params["e"] + params["f"][None]

    result = removed(apply, params, X)
    assert result.nonzeros_after == 1
    np.testing.assert_allclose(result.params["f"], [1 + 7 * np.tanh(5)])


def test_factors_that_are_both_constant_are_folded_once():
    def bilinear(params, x):
        return hidden(params, x, lambda y: y) * (x @ params["e"] + params["f"][None])

    def apply(params, x):
        return bilinear(params, x) @ params["c"] + params["d"][None]

    params = layers(a=np.zeros((3, 2)), b=[2, 3], e=np.zeros((3, 2)), f=[5, 7], c=[[1], [1]], d=[0])
    result = removed(apply, params, X)
    assert values(result)["d"] == [31]
    assert result.nonzeros_after == 1


def test_a_constant_that_is_multiplied_by_itself_is_folded_once():
    def apply(params, x):
        y = hidden(params, x, lambda y: y)
        return (y * (2 * y)) @ params["c"] + params["d"][None]

    params = layers(a=np.zeros((3, 1)), b=[3], c=[[1]], d=[0])
    assert values(removed(apply, params, X))["d"] == [18]


def test_a_part_of_what_is_multiplied_by_itself():
    def apply(params, x):
        one = hidden(params, x) @ params["c"]
        other = jax.nn.relu(x @ params["e"] + params["f"][None]) @ params["g"]
        y = one + other  # always 3 + 5
        return (y * (2 * y)) @ params["h"] + params["d"][None]

    zeros = np.zeros((3, 1))
    params = layers(a=zeros, b=[3], c=[[1]], e=zeros, f=[5], g=[[1]], h=[[1]], d=[0])
    result = removed(apply, params, X)
    assert values(result)["d"] == [128]
    assert (result.nonzeros_after, result.refused) == (1, ())


def test_a_constant_is_folded_into_a_bias_of_one_number():
    def apply(params, x):
        return hidden(params, x) @ params["c"] + params["d"]

    params = layers(a=[[0, 2]], b=[0.5, 0], c=[[3], [4]], d=1)
    assert values(removed(apply, params, X[:, :1])) == {
        **{"a": [[0, 2]], "b": [0, 0], "c": [[0], [4]], "d": 2.5}
    }
    # Several outputs would need several numbers.
    params = layers(a=[[0, 2]], b=[0.5, 0], c=[[3, 5], [4, 1]], d=1)
    result = removed(apply, params, X[:, :1])
    assert result.nonzeros_after == result.nonzeros_before
    assert "it differs from place to place, and the next bias does not" in result.refused[0]


def test_a_bias_that_is_used_twice_takes_no_constant():
    def apply(params, x):
        return two_layers(params, x) + jnp.tanh(params["d"][None] * x[:, :1])

    params = layers(a=[[0, 2]], b=[0.5, 0], c=[[3], [4]], d=[1])
    result = removed(apply, params, X[:, :1])
    assert result.nonzeros_after == result.nonzeros_before
    assert result.refused == ("input 0 of 'c' always is 0.5: the bias is used in several places",)


def test_a_constant_that_becomes_a_whole_number_is_not_passed_on():
    def apply(params, x):
        y = two_layers(params, x).astype(jnp.int32).astype(jnp.float32)
        return y @ params["e"] + params["f"][None]

    params = layers(a=[[0, 2]], b=[0.5, 0], c=[[1], [1]], d=[0.25], e=[[1]], f=[1])
    assert values(removed(apply, params, X[:, :1]))["d"] == [0.75]


# Units and weights without influence


def test_a_unit_without_influence_goes_with_all_that_leads_to_it_alone():
    params = layers(
        **{"a": [[1, 0], [0, 1], [0, 0]], "b": [0.5, 0.5], "c": [[1, 0], [0, 1]], "d": [1, 1]},
        **{"e": [[1], [0]], "f": [1]},
    )

    def apply(params, x):
        return jax.nn.relu(two_layers(params, x)) @ params["e"] + params["f"][None]

    result = values(removed(apply, params, X))
    assert result["a"] == [[1, 0], [0, 0], [0, 0]]
    assert result["b"] == [0.5, 0]
    assert result["c"] == [[1, 0], [0, 0]]
    assert result["d"] == [1, 0]


def test_a_weight_that_is_used_twice_stays_where_one_use_needs_it():
    def apply(params, x):
        y = jax.nn.relu(x @ params["a"])
        return jax.nn.relu(y @ params["a"]) @ params["c"]

    params = layers(a=np.ones((3, 3)), c=[[1], [0], [0]])
    result = removed(apply, params, X)
    np.testing.assert_array_equal(result.params["a"], params["a"])


def test_a_weight_that_is_given_out_too_stays():
    def apply(params, x):
        return two_layers(params, x), params["a"]

    params = layers(a=[[1, 2]], b=[1, 1], c=[[1], [0]], d=[1])
    assert values(removed(apply, params, X[:, :1])) == {
        **{"a": [[1, 2]], "b": [1, 0], "c": [[1], [0]], "d": [1]}
    }


def test_a_network_whose_output_is_a_parameter():
    result = removed(lambda params, x: (params["a"], x), layers(a=[1, 2], b=[3]), X)
    assert values(result) == {"a": [1, 2], "b": [0]}


def test_inputs_can_be_given_out():
    result = removed(lambda params, x: (x, x * params["a"][None]), layers(a=[0, 1, 2]), X)
    assert values(result) == {"a": [0, 1, 2]}


def test_whole_numbers_are_left_alone():
    params = layers(a=[[0, 2]], b=[0.5, 0], c=[[3], [4]]) | {"d": np.array([7]), "n": np.array(3)}
    result = removed(
        lambda p, x: hidden(p, x) @ p["c"] + p["d"][None].astype(jnp.float32), params, X[:, :1]
    )
    assert values(result)["d"] == [7]
    assert values(result)["n"] == 3
    assert result.params["d"].dtype == params["d"].dtype
    assert len(result.refused) == 1
    rounded = layers(a=[[0, 2]], b=[0.5, 0], d=[1]) | {"c": np.array([[3], [4]], np.int8)}
    result = removed(
        lambda p, x: hidden(p, x) @ p["c"].astype(jnp.float32) + p["d"][None], rounded, X[:, :1]
    )
    assert values(result)["c"] == [[3], [4]]


def test_keys_of_random_numbers_are_left_alone():
    params = {"net": layers(a=[[0, 2]], b=[0.5, 0.5], c=[[3], [4]], d=[0.5]), "key": KEY}
    network = jaxcomp.trace(lambda p, x: two_layers(p["net"], x), params, X[:, :1])
    result = remove_dead_units(params, network)
    assert (result.nonzeros_before, result.nonzeros_after) == (6, 4)
    assert result.params["key"] is KEY


def test_a_weight_that_is_no_number_stays():
    params = layers(a=[[0, np.nan]], b=[0.5, 0.5], c=[[3], [4]], d=[0.5])
    result = remove_dead_units(params, jaxcomp.trace(two_layers, params, X[:, :1]))
    np.testing.assert_array_equal(result.params["a"], params["a"])
    assert values(result)["c"] == [[0], [4]]


# Whole networks, and wrong calls


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.filterwarnings("ignore:nothing is left of")
@pytest.mark.parametrize(
    "name", ["lenet_5_caffe", *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_a_pruned_network_computes_the_same(name):
    model = MODELS[name]()
    shape = LARGE.get(name, (4, 28, 28, 1))
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(1), x), images)["params"]
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda s: rng.normal(size=s.shape).astype(np.float32), shapes)
    params = apply_mask(params, top_k_mask(params, 0.02))
    stats = unit_statistics(params)

    def apply(params, images):
        return model.apply({"params": params, "batch_stats": stats}, images)

    network = jaxcomp.trace(apply, params, images)
    result = remove_dead_units(params, network)
    assert result.nonzeros_after < result.nonzeros_before
    before, after = (jax.jit(apply)(p, images) for p in (params, result.params))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5 * np.abs(before).max())


def test_statistics_of_the_batch_are_not_constants():
    def apply(params, x):
        y = x @ params["a"]
        y = (y - y.mean(0, keepdims=True)) * jax.lax.rsqrt(y.var(0, keepdims=True) + 1e-3)
        return jax.nn.relu(y + params["b"][None]) @ params["c"] + params["d"][None]

    params = layers(a=[[0, 1]] * 3, b=[2, 0], c=[[1], [1]], d=[1])
    result = values(removed(apply, params, X))
    assert (result["b"], result["c"], result["d"]) == ([0, 0], [[0], [1]], [3])
    assert result["a"] == [[0, 1]] * 3


def test_other_parameters_than_those_traced_are_named():
    params = layers(a=[[0, 2]], b=[0.5, 0.5], c=[[3], [4]], d=[0.5])
    network = jaxcomp.trace(two_layers, params, X[:, :1])
    with pytest.raises(ValueError, match=r"'b' had shape \(2,\).*now \(3,\)"):
        remove_dead_units(params | {"b": np.ones(3, np.float32)}, network)
    with pytest.raises(ValueError, match="traced with parameters of the structure"):
        remove_dead_units(params | {"e": np.ones(3, np.float32)}, network)
