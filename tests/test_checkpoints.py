"""Checkpoints of other programs: what was written is read, what is wrong is named."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import serialization
from safetensors.numpy import save_file

from jaxcomp.checkpoints import (
    CheckpointError,
    channel_axis,
    open_checkpoint,
    read_checkpoint,
    write_checkpoint,
)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "layer.0.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "layer.0.bias": np.zeros(4, np.float16),
        "half": np.ones((2, 2), ml_dtypes.bfloat16),
        "step": np.array(7),
    }


def named(arrays):
    return [((name,), array) for name, array in arrays.items()]


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert (array.dtype, array.shape) == (other[name].dtype, other[name].shape)
        assert array.tobytes() == other[name].tobytes()


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_round_trip(tmp_path, arrays, suffix):
    if suffix == ".npz":
        del arrays["half"]  # a type that numpy's own files do not know
    write_checkpoint(tmp_path / f"model{suffix}", named(arrays))
    assert_same(arrays, read_checkpoint(tmp_path / f"model{suffix}"))
    assert [path.name for path in tmp_path.iterdir()] == [f"model{suffix}"]


def test_files_of_other_writers(tmp_path, arrays):
    save_file(arrays, tmp_path / "model.safetensors")
    assert_same(arrays, read_checkpoint(tmp_path / "model.safetensors"))
    tree = {"params": {"Dense_0": {"kernel": arrays["layer.0.weight"]}}}
    (tmp_path / "model.msgpack").write_bytes(serialization.to_bytes(tree))
    loaded = read_checkpoint(tmp_path / "model.msgpack")
    assert_same(tree["params"]["Dense_0"], loaded["params"]["Dense_0"])
    del arrays["half"]
    np.savez_compressed(tmp_path / "model.npz", **arrays)
    assert_same(arrays, read_checkpoint(tmp_path / "model.npz"))


@pytest.mark.parametrize("saver", [ocp.StandardCheckpointer, ocp.PyTreeCheckpointer])
def test_orbax_folders(tmp_path, saver):
    tree = {
        "params": {"Dense_0": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}},
        "blocks": [jnp.ones((2, 2), jnp.bfloat16), jnp.zeros(1)],
        "step": jnp.array(7),
    }
    with saver() as checkpointer:
        checkpointer.save(tmp_path / "folder", tree)
    loaded = read_checkpoint(tmp_path / "folder")
    np.testing.assert_array_equal(loaded["params"]["Dense_0"]["kernel"], [[0, 1, 2], [3, 4, 5]])
    assert loaded["blocks"][0].dtype == ml_dtypes.bfloat16
    assert list(loaded["blocks"]) == [0, 1]
    assert loaded["step"] == 7


def test_the_last_step_of_an_orbax_manager(tmp_path):
    with ocp.CheckpointManager(tmp_path / "run") as manager:
        for step in (9, 10):
            manager.save(step, args=ocp.args.StandardSave({"w": jnp.full(3, float(step))}))
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "run")["w"], [10, 10, 10])


def test_shapes_are_known_before_arrays_are_loaded(tmp_path, arrays):
    save_file(arrays, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path / "model.safetensors") as checkpoint:
        assert {entry.name: entry.shape for entry in checkpoint.entries} == {
            name: array.shape for name, array in arrays.items()
        }
        assert checkpoint.nbytes == sum(array.nbytes for array in arrays.values())
        entry = checkpoint.entries[0]
        np.testing.assert_array_equal(checkpoint.load(entry), arrays[entry.name])


def test_nested_names_are_joined_and_must_stay_different(tmp_path):
    one = np.ones(2)
    write_checkpoint(tmp_path / "model.npz", [(("a", "b"), one), (("a", 0), one)])
    assert set(read_checkpoint(tmp_path / "model.npz")) == {"a/b", "a/0"}
    with pytest.raises(CheckpointError, match="two arrays would have the name 'a/b'"):
        write_checkpoint(tmp_path / "model.npz", [(("a", "b"), one), (("a/b",), one)])
    assert set(read_checkpoint(tmp_path / "model.npz")) == {"a/b", "a/0"}


def test_channels_are_where_the_format_s_users_have_them():
    assert [channel_axis(p) for p in ("a.safetensors", "a.npz", "a.msgpack", "a")] == [0, 0, -1, -1]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".msgpack"])
@pytest.mark.parametrize("data", [b"", b"not a checkpoint at all", b"\xff" * 100])
def test_files_that_are_not_what_they_say(tmp_path, suffix, data):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"not a valid {suffix} checkpoint"):
        read_checkpoint(path)


def test_a_folder_that_is_no_checkpoint(tmp_path):
    (tmp_path / "folder" / "other").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="not an Orbax checkpoint"):
        read_checkpoint(tmp_path / "folder")


def test_pickles_and_text_are_refused(tmp_path):
    np.savez(tmp_path / "model.npz", bad=np.array([{}], object))
    with pytest.raises(CheckpointError, match=r"'bad'.*object cannot be stored"):
        read_checkpoint(tmp_path / "model.npz")
    (tmp_path / "model.msgpack").write_bytes(serialization.to_bytes({"a": {"name": "text"}}))
    with pytest.raises(CheckpointError, match=r"'a/name'.*str"):
        read_checkpoint(tmp_path / "model.msgpack")


def test_unknown_types_name_the_choices(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read .*'\.pt'.*\.safetensors, \.npz"):
        read_checkpoint(tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"cannot write .*'\.msgpack'"):
        write_checkpoint(tmp_path / "model.msgpack", [])
    with pytest.raises(CheckpointError, match=r"\.npz cannot hold|bfloat16"):
        write_checkpoint(tmp_path / "m.npz", [(("w",), np.ones(2, ml_dtypes.bfloat16))])
    for name in ("model.npz", "folder"):
        with pytest.raises(FileNotFoundError):
            read_checkpoint(tmp_path / name)
