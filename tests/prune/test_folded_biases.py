"""Biases and constants are folded past pooling and sums, and not past borders."""

import jax
import numpy as np
import pytest

from tests.prune.removal import X, hidden, layers, removed, two_layers, values

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
