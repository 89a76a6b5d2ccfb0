"""Trees of any framework go into a file and come back as they were."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.core import freeze

import jaxcomp
from jaxcomp.tree_files import load, save


class Model(eqx.Module):
    layers: list
    drop: eqx.nn.Dropout

    def __init__(self):
        keys = jax.random.split(jax.random.key(0), 2)
        self.layers = [eqx.nn.Linear(3, 4, key=keys[0]), jnp.tanh, eqx.nn.Linear(4, 2, key=keys[1])]
        self.drop = eqx.nn.Dropout(0.5)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.drop(x, inference=True)


def same(tree, other):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    for one, two in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype


def test_a_module_of_equinox_comes_back_with_its_functions(tmp_path):
    path, model = tmp_path / "a.jxc", Model()
    size = save(path, eqx.filter(model, eqx.is_array))
    assert size == path.stat().st_size
    zeros = jax.tree.map(lambda leaf: 0 * leaf if eqx.is_array(leaf) else leaf, model)
    loaded = load(path, like=zeros)
    x = jnp.arange(3.0)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.drop.p == 0.5
    assert sorted(load(path)["layers"]) == ["0", "2"]


def test_a_state_of_nnx_comes_back(tmp_path):
    path = tmp_path / "a.jxc"
    model = nnx.Sequential(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), nnx.Linear(4, 2, rngs=nnx.Rngs(1)))
    graph, state = nnx.split(model)
    save(path, state)
    loaded = load(path, like=jax.tree.map(jnp.zeros_like, state))
    np.testing.assert_array_equal(nnx.merge(graph, loaded)(jnp.ones(3)), model(jnp.ones(3)))


@pytest.mark.parametrize(
    "tree",
    [
        [np.arange(3.0), (np.ones((2, 2), np.int8), None), {}],
        {"a": [np.zeros(2)], "b": {"c": np.ones(1, bool)}},
        freeze({"a": {"b": np.ones(3)}}),
        {"a": {0: np.ones(2), 1: np.zeros(2)}},
        {"a/b": np.ones(2), "c": np.zeros(1)},
    ],
)
def test_lists_tuples_and_dicts_come_back(tmp_path, tree):
    save(tmp_path / "a.jxc", tree)
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)
    same(load(tmp_path / "a.jxc", like=like), tree)


def test_a_compressed_network_comes_back_as_its_module(tmp_path):
    path, model = tmp_path / "a.jxc", Model()
    arrays = jaxcomp.trees.named_leaves(eqx.filter(model, eqx.is_array))
    jaxcomp.compress(arrays, path)
    same(load(path, like=model).layers[2].weight, model.layers[2].weight)


@pytest.mark.parametrize(
    ("tree", "error", "told"),
    [
        (Model(), TypeError, "'layers/1' is a .*Function, and.* equinox.filter"),
        ([np.ones(2), 0.1], TypeError, "'1' is a float, and no array"),
        ({"a": [np.ones(2)], "b": 0.1}, TypeError, "'b' is a float"),
        ({"b": 0.1}, TypeError, "'b'"),
        (None, TypeError, "got a NoneType"),
        (0.1, TypeError, "got a float"),
        (np.ones(2), TypeError, "got a ndarray"),
        ([{"a/b": np.ones(1), "a": {"b": np.ones(1)}}], ValueError, "occurs twice"),
        ([{"a": np.ones(1), "a/b": np.ones(1)}], ValueError, "is an array and holds"),
    ],
)
def test_what_is_no_tree_of_arrays_is_named(tmp_path, tree, error, told):
    with pytest.raises(error, match=told):
        save(tmp_path / "a.jxc", tree)
    assert not list(tmp_path.iterdir())


def test_another_tree_is_an_error(tmp_path):
    path = tmp_path / "a.jxc"
    save(path, [np.ones(2), np.ones(3)])
    for like, told in (
        ([np.ones(2)], "the tree has no leaf '1'"),
        ([np.ones(2), np.ones(4)], "'1' has shape"),
        ({"0": np.ones(2), "2": np.ones(3)}, "there is no '2'"),
        ([], "the tree has no leaf '0'"),
    ):
        with pytest.raises(ValueError, match=told):
            load(path, like=like)
