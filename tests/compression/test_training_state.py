"""Checkpoints of a training: the network is taken out of its state."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import serialization
from flax.training.train_state import TrainState

import jaxcomp
from jaxcomp.cli import main
from jaxcomp.compression import compress
from jaxcomp.trees import named_leaves


def train_state():
    """A state of training after one step of Adam, as flax writes it."""
    rng = np.random.default_rng(0)
    params = {"k": jnp.asarray(rng.normal(size=(100, 50)), jnp.float32), "b": jnp.ones(50)}
    state = TrainState.create(apply_fn=None, params=params, tx=optax.adam(1e-3))
    return state.apply_gradients(grads=jax.tree.map(lambda p: 1e-3 * p, params))


@pytest.fixture(params=["msgpack", "orbax", "npz"])
def training(request, tmp_path, standard_promotion):
    state = train_state()
    if request.param == "msgpack":
        path = tmp_path / "state.msgpack"
        path.write_bytes(serialization.to_bytes(state))
    elif request.param == "orbax":
        path = tmp_path / "state"
        with ocp.StandardCheckpointer() as saver:
            saver.save(path, state)
    else:
        path = tmp_path / "state.npz"
        flat = {name.replace("/", "."): leaf for name, leaf in named_leaves(state).items()}
        np.savez(path, **flat)
    return str(path)


def leaf(loaded, name):
    """A leaf by the end of its name, whatever is between dicts."""
    return next(a for n, a in named_leaves(loaded).items() if n.replace(".", "/").endswith(name))


def test_weights_are_pruned_and_the_state_of_training_is_left_out(training, tmp_path, capsys):
    file = str(tmp_path / "model.jxc")
    assert main(["compress", training, "-o", file, "--prune=0.6"]) == 0
    out = capsys.readouterr().out
    assert "20,200 bytes to" in out
    assert "'opt_state' (5 arrays, 40,404 bytes)" in out
    assert "'step' (1 array, " in out
    assert "--keep-state stores them too" in out
    loaded = jaxcomp.load(file)
    assert len(named_leaves(loaded)) == 2
    assert np.count_nonzero(leaf(loaded, "params/k")) == 2_000
    np.testing.assert_array_equal(leaf(loaded, "params/b"), train_state().params["b"])


def test_a_state_that_is_kept_is_kept_exactly(training, tmp_path):
    file = str(tmp_path / "model.jxc")
    command = ["compress", training, "-o", file, "--prune=0.6", "--bits=4", "--bias-bits=4"]
    assert main([*command, "--keep-state"]) == 0
    loaded, state = jaxcomp.load(file), train_state()
    assert np.count_nonzero(leaf(loaded, "params/k")) <= 2_000
    for moment in ("mu", "nu"):
        expected = optax.tree.get(state.opt_state, moment)["k"]
        np.testing.assert_array_equal(leaf(loaded, f"{moment}/k"), expected)
    if training.endswith(".msgpack"):
        restored = serialization.from_state_dict(state, loaded)
        assert jax.tree.structure(restored) == jax.tree.structure(state)


def test_regular_expressions_choose_the_network(training, tmp_path, capsys):
    file = str(tmp_path / "model.jxc")
    assert main(["compress", training, "-o", file, "--bits=2", "--only", r"mu[./]k"]) == 0
    assert len(named_leaves(jaxcomp.load(file))) == 1
    assert main(["compress", training, "-o", file, "--bits=2", "--exclude=k$"]) == 0
    assert len(named_leaves(jaxcomp.load(file))) == 1
    capsys.readouterr()
    assert main(["compress", training, "-o", file, "--only=nothing"]) == 1
    assert "none of the 8 arrays" in capsys.readouterr().err


def test_empty_dicts_and_integer_names_come_back(tmp_path):
    params = {"a": {}, "blocks": {0: np.ones((2, 2)), 1: {}}, "opt_state": {"b": {}}}
    compress(params, tmp_path / "w.jxc")
    loaded = jaxcomp.load(tmp_path / "w.jxc")
    assert (loaded["a"], loaded["blocks"].keys(), loaded["blocks"][1]) == ({}, {0, 1}, {})
    assert "opt_state" not in loaded
    compress(params, tmp_path / "w.jxc", keep_state=True)
    assert jaxcomp.load(tmp_path / "w.jxc")["opt_state"] == {"b": {}}
