"""Removing dead units, case by case."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.models import MODELS
from jaxcomp.models.batch_norm import unit_statistics
from jaxcomp.prune import apply_mask, remove_dead_units, top_k_mask

LARGE = {"lenet_300_100": (4, 28, 28, 1), "resnet_20": (2, 16, 16, 3), "vgg_16": (2, 32, 32, 3)}
X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def removed(apply, params, *inputs):
    """Remove dead units, and check that the outputs stay for small and for large inputs."""
    params = jax.tree.map(np.asarray, params)
    kept = jax.tree.map(np.copy, params)
    result = remove_dead_units(params, jaxcomp.trace(apply, params, *inputs))
    jax.tree.map(np.testing.assert_array_equal, params, kept)  # what was given is untouched
    for scale in (1, 1e4):
        large = [x * np.float32(scale) if x.dtype == np.float32 else x for x in inputs]
        before, after = apply(params, *large), apply(result.params, *large)
        for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            one, other = (np.asarray(y, np.float32) for y in (one, other))
            assert np.isfinite(one).all()
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5 * np.abs(one).max())
    return result


def layers(**arrays):
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def hidden(params, x, activation=jax.nn.relu):
    return activation(x @ params["a"] + params["b"][None])


def two_layers(params, x):
    return hidden(params, x) @ params["c"] + params["d"][None]


def values(result):
    return {name: leaf.tolist() for name, leaf in result.params.items()}


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


# Zeros that meet: only one of both may be let go


def test_of_two_factors_that_are_zero_one_stays_zero():
    for first in ("a", "b"):
        second = {"a": "b", "b": "a"}[first]

        def apply(params, x, first=first, second=second):
            # Both are used elsewhere in a way that lets either go, if the product did.
            return x * params[first][None] * params[second][None]

        assert removed(apply, layers(a=[0, 1, 0], b=[0, 0, 2]), X).nonzeros_after <= 2


def test_gates_that_are_zero_like_what_they_multiply():
    def apply(params, x):
        value = x @ params["a"] + params["b"][None]
        gate = x @ params["e"] + params["f"][None]
        # What a gate shuts is used by another output; what shuts it is not.
        return (value * gate) @ params["c"], value @ params["d"]

    zeros = np.zeros((3, 2))
    params = layers(a=zeros, b=[0, 0], e=zeros, f=[0, 0], c=[[1], [2]], d=[[3], [0]])
    assert removed(apply, params, X).nonzeros_after == 0
    params["f"][:] = 1
    assert removed(apply, params, X).nonzeros_after == 0
    params["b"][:] = 1
    result = removed(apply, params, X)
    assert result.nonzeros_after >= 2


@pytest.mark.parametrize("seed", range(3))
def test_weights_that_are_computed_of_others(seed):
    rng = np.random.default_rng(seed)

    def sparse(*shape):
        return rng.normal(size=shape) * (rng.random(shape) < 0.4)

    def apply(params, x):
        kernel = params["a"] * params["m"] - (params["a"] * params["m"]).mean(0, keepdims=True)
        return jnp.tanh(x @ kernel + params["b"][None]) @ (params["u"] @ params["v"])

    removed(
        apply,
        layers(a=sparse(3, 8), m=sparse(3, 8), b=sparse(8), u=sparse(8, 2), v=sparse(2, 4)),
        X,
    )


# Values stay finite


def test_a_divisor_stays_though_its_quotient_is_not_needed():
    def apply(params, x):
        return (x / params["s"][None]) @ params["c"]

    params = layers(s=[2, 3, 4], c=[[1], [0], [0]])
    assert np.all(removed(apply, params, X).params["s"])


@pytest.mark.parametrize("keep", [jax.lax.rsqrt, lambda y: 1 / y, jnp.log])
def test_what_keeps_a_divisor_from_zero_stays(keep):
    def apply(params, x):
        return keep(jax.nn.relu(x) + params["s"][None]) @ params["c"]

    params = layers(s=[2, 3, 4], c=[[1], [0], [0]])
    x = np.where(X > 0, X, -1)
    assert np.all(removed(apply, params, x).params["s"])


@pytest.mark.parametrize(
    "normalize",
    [
        lambda p, y: y / jnp.linalg.norm(y, axis=-1, keepdims=True),
        lambda p, y: jnp.log(jnp.sum(y**2, axis=-1, keepdims=True)),
        lambda p, y: y * jax.lax.rsqrt(p["var"])[None],
    ],
    ids=["norm", "logarithm", "variance"],
)
def test_a_dead_unit_stays_where_zeros_would_make_nan(normalize):
    def apply(params, x):
        y = normalize(params, x @ params["a"] + params["b"][None])
        return y @ params["c"] + params["d"][None]

    params = layers(a=np.eye(3), b=[1, 2, 3], var=[1, 2, 4], c=np.zeros((3, 2)), d=[1, 2])
    if normalize(params, X).shape[-1] == 1:
        params["c"] = params["c"][:1]
    result = removed(apply, params, X)
    assert values(result)["d"] == [1, 2]


def test_the_variance_of_a_dead_channel_goes_where_epsilon_keeps_it_finite():
    def apply(params, x):
        return (x * jax.lax.rsqrt(params["var"] + 1e-3)[None]) @ params["c"]

    result = removed(apply, layers(var=[1, 2, 4], c=[[1], [0], [0]]), X)
    assert values(result)["var"] == [1, 0, 0]


# Types


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_half_precision(dtype):
    params = {
        name: array.astype(dtype)
        for name, array in layers(a=[[0, 2]], b=[0.5, 0.5], c=[[3], [4]], d=[0.5]).items()
    }

    def apply(params, x):
        return two_layers(params, x.astype(dtype)).astype(jnp.float32)

    network = jaxcomp.trace(apply, params, X[:, :1])
    result = remove_dead_units(params, network)
    assert values(result) == {"a": [[0, 2]], "b": [0, 0.5], "c": [[0], [4]], "d": [2]}
    assert all(array.dtype == dtype for array in result.params.values())


def test_a_bias_does_not_overflow():
    params = layers(a=[[0, 2]], b=[200, 0], c=[[400], [4]]) | {"d": np.ones(1, np.float16)}

    def apply(params, x):
        return hidden(params, x) @ params["c"] + params["d"][None].astype(jnp.float32)

    result = removed(apply, params, X[:, :1])
    assert result.nonzeros_after == result.nonzeros_before
    assert result.refused == (
        "input 0 of 'c' always is 200: the bias would be too large for float16",
    )


# Biases


def pooled(params, x):
    y = x @ params["a"] + params["b"][None, None]
    y = y.max(axis=1) @ params["c"] + params["d"][None]
    return y @ params["e"] + params["f"][None]


def test_biases_are_folded_past_pooling():
    x = np.random.default_rng(0).normal(size=(4, 2, 1)).astype(np.float32)
    params = layers(a=[[2]], b=[0.5], c=[[3]], d=[0.5], e=[[5]], f=[0.5])
    result = values(removed(pooled, params, x))
    assert (result["b"], result["d"], result["f"]) == ([0], [0], [0.5 + 5 * (0.5 + 3 * 0.5)])


def test_a_bias_is_not_folded_where_that_makes_more_non_zeros():
    x = np.random.default_rng(0).normal(size=(4, 2, 1)).astype(np.float32)
    params = layers(a=[[2]], b=[0.5], c=[[3, 2]], d=[0, 0])

    def apply(params, x):
        y = (x @ params["a"] + params["b"][None, None]).max(axis=1)
        return jax.nn.relu(y @ params["c"] + params["d"][None])

    assert values(removed(apply, params, x))["b"] == [0.5]


def test_a_bias_goes_past_a_sum_of_branches_into_the_next_one():
    def apply(params, x):
        y = x @ params["a"] + params["b"][None]
        return jax.nn.relu(
            (y + y @ params["c"] + params["d"][None]) @ params["e"] + params["f"][None]
        )

    params = layers(a=[[2]], b=[0.5], c=[[3]], d=[0.5], e=[[5]], f=[0.5])
    result = values(removed(apply, params, X[:, :1]))
    assert (result["b"], result["d"], result["f"]) == ([0], [0], [0.5 + 5 * (0.5 + 4 * 0.5)])


def test_a_bias_stays_before_an_activation():
    params = layers(a=np.ones((3, 1)), b=[1], c=[[1]], d=[0])
    assert values(removed(two_layers, params, X))["b"] == [1]


def test_biases_of_values_are_folded_past_attention():
    def apply(params, x):
        value = x @ params["a"] + params["b"][None]
        shares = jax.nn.softmax((x @ params["q"]) @ x.T)
        return jax.nn.relu(shares @ value @ params["c"] + params["d"][None])

    params = layers(a=[[1, 0]] * 3, b=[2, 3], q=np.eye(3), c=[[1], [4]], d=[5])
    result = values(removed(apply, params, X))
    # The second value always is 3, and the first one's bias moves with it.
    assert (result["b"], result["c"], result["d"]) == ([0, 0], [[1], [0]], [19])
    assert result["q"] == params["q"].tolist()


# Borders


def convolved(params, x, padding="SAME"):
    dimensions = ("NHWC", "HWIO", "NHWC")
    y = jax.nn.relu(x @ params["a"] + params["b"][None, None, None])
    y = jax.lax.conv_general_dilated(y, params["c"], (1, 1), padding, dimension_numbers=dimensions)
    return jax.nn.relu(y + params["d"][None, None, None])


IMAGES = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype(np.float32)


def test_zero_padding_refuses_to_fold_and_says_why():
    params = layers(a=[[0]], b=[1], c=np.ones((3, 3, 1, 1)), d=[0])
    result = removed(convolved, params, IMAGES)
    assert result.nonzeros_after == result.nonzeros_before
    assert result.refused == (
        "input 0 of 'c' always is 1: zero padding makes the next layer see it end at the border",
    )
    # A unit that always is zero leaves no border.
    params["b"][:] = -1
    result = removed(convolved, params, IMAGES)
    assert (result.nonzeros_after, result.refused) == (0, ())


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_a_bias_does_not_go_past_a_border(padding):
    def apply(params, x):
        dimensions = ("NHWC", "HWIO", "NHWC")
        y = x @ params["a"] + params["b"][None, None, None]
        y = jax.lax.conv_general_dilated(
            y, params["c"], (1, 1), padding, dimension_numbers=dimensions
        )
        return jax.nn.relu(y + params["d"][None, None, None])

    params = layers(a=[[2]], b=[1], c=np.ones((3, 3, 1, 1)), d=[1])
    result = values(removed(apply, params, IMAGES))
    assert (result["b"], result["d"]) == {"SAME": ([1], [1]), "VALID": ([0], [10])}[padding]


def test_without_padding_a_convolution_takes_constants():
    params = layers(a=[[0]], b=[1], c=np.ones((3, 3, 1, 1)), d=[1])
    result = removed(lambda p, x: convolved(p, x, "VALID"), params, IMAGES)
    assert result.nonzeros_after == 1
    assert values(result)["d"] == [10]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_the_mean_over_windows_with_zero_padding_is_no_constant(padding):
    def apply(params, x):
        y = jax.nn.relu(x @ params["a"] + params["b"][None, None, None])
        sums = jax.lax.reduce_window(
            y, np.float32(0), jax.lax.add, (1, 3, 3, 1), (1, 1, 1, 1), padding
        )
        return (sums / 9).sum(axis=(1, 2)) @ params["c"] + params["d"][None]

    params = layers(a=[[0]], b=[1], c=[[1]], d=[0])
    result = removed(apply, params, IMAGES)
    places = {"SAME": (2 * 2 * 4 + 8 * 6 + 4 * 9) / 9, "VALID": 4}[padding]
    assert result.nonzeros_after == 1
    np.testing.assert_allclose(result.params["d"], [places], rtol=1e-6)


def test_without_a_bias_there_is_nothing_to_fold_into():
    params = layers(a=[[0, 2]], b=[0.5, 0.5], c=[[3], [4]])
    result = removed(lambda p, x: hidden(p, x) @ p["c"], params, X[:, :1])
    assert result.nonzeros_after == result.nonzeros_before
    assert result.refused == (
        "input 0 of 'c' always is 0.5: the network's output follows, without a bias to take it",
    )


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
