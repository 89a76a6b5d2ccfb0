"""Weights between two passes over the examples do not change each other's inputs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.compression import passes
from jaxcomp.compression.passes import groups_of
from jaxcomp.tracing.moments import InputSums

X = np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)


def square(names):
    keys = jax.random.split(jax.random.key(0), len(names))
    return {name: jax.random.normal(key, (4, 4)) for name, key in zip(names, keys, strict=True)}


def attention(p, x):
    mixed = jax.nn.softmax((x @ p["a_query"]) @ (x @ p["b_key"]).swapaxes(1, 2)) @ (
        x @ p["c_value"]
    )
    return jnp.tanh(mixed @ p["d_out"]) @ p["e_last"] + x @ p["f_beside"]


def recurrent(p, x):
    def step(state, now):
        state = jnp.tanh(now @ p["a_in"] + state @ p["b_state"])
        return state, state

    return jax.lax.scan(step, jnp.zeros((len(x), 4)), x.swapaxes(0, 1))[1] @ p["c_out"]


NETWORKS = {
    "attention": (attention, [["a_query", "b_key", "c_value"], ["d_out"], ["e_last", "f_beside"]]),
    "recurrent": (recurrent, [["a_in"], ["b_state"], ["c_out"]]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_inputs_do_not_depend_on_others_of_the_group(name):
    apply, expected = NETWORKS[name]
    params = square([leaf for group in expected for leaf in group])
    network = jaxcomp.trace(apply, params, X)
    order = [network.names.index(leaf) for leaf in network.weights]
    groups = groups_of(network, params, (X,), order)
    assert [[network.names[leaf] for leaf in group] for group in groups] == expected
    sums_of = InputSums(network)
    before = sums_of(params, [X])

    def changed(leaf, other):
        moved = {**params, network.names[leaf]: 2 * params[network.names[leaf]]}
        return not np.array_equal(before[other].second, sums_of(moved, [X])[other].second)

    for group in groups:
        assert not any(changed(a, b) for a in group for b in group if a != b)
    for group, (first, *_) in itertools.pairwise(groups):
        assert any(changed(a, first) for a in group)


def test_a_deep_network_shares_passes(monkeypatch):
    monkeypatch.setattr(passes, "_MOST_PASSES", 3)
    params = square([f"layer_{i}" for i in range(7)])

    def apply(p, x):
        for w in p.values():
            x = jnp.tanh(x @ w)
        return x

    network = jaxcomp.trace(apply, params, X)
    assert groups_of(network, params, (X,), range(7)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert groups_of(network, params, (X,), []) == []
