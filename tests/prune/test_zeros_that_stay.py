"""Zeros that others rely on, divisors and types, when dead units are removed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.prune import remove_dead_units
from tests.prune.removal import X, hidden, layers, removed, two_layers, values

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
