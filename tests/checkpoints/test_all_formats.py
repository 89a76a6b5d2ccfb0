"""Checkpoints of all formats: what was written is read, what is wrong is named."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import serialization
from safetensors.numpy import save_file

from jaxcomp.checkpoints import (
    CheckpointError,
    Entry,
    open_checkpoint,
    read_checkpoint,
    unit_axis,
    write_checkpoint,
)
from jaxcomp.quantize.error import relative_error
from tests.checkpoints.claims import assert_same, memory_of, named


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


@pytest.mark.parametrize(
    ("suffix", "names", "message"),
    [
        (".npz", ["a\0b", "a\0c"], r"cannot have a NUL, as 'a\\x00b' has"),
        (".npz", ["w", "w.npy"], "cannot be 'w' and 'w.npy'"),
        (".npz", ["w.npy", "w"], "cannot be 'w.npy' and 'w'"),
        (".safetensors", ["a", "__metadata__"], "cannot have the name '__metadata__'"),
    ],
)
def test_names_that_a_format_would_lose_are_refused(tmp_path, suffix, names, message):
    with pytest.raises(CheckpointError, match=message):
        write_checkpoint(tmp_path / f"m{suffix}", [((name,), np.ones(2)) for name in names])
    assert not list(tmp_path.iterdir())
    for name in names[:1] if "\0" in names[0] or "npy" in names[0] else names[1:]:
        other = ".safetensors" if suffix == ".npz" else ".npz"
        write_checkpoint(tmp_path / f"m{other}", [((name,), np.ones(2))])
        assert set(read_checkpoint(tmp_path / f"m{other}")) == {name}


@pytest.mark.parametrize(
    ("name", "metadata", "axis", "why"),
    [
        ("fc/weight", {}, 0, "by the name"),
        ("attention.in_proj_weight", {}, 0, "by the name"),
        ("Dense_0/kernel", {}, -1, "by the name"),
        ("embed.embedding", {}, -1, "by the name"),
        ("linear/w", {}, -1, "a guess"),
        ("linear/w", {"format": "np"}, -1, "a guess"),
        ("linear.w", {"format": "pt"}, 0, "PyTorch"),
        ("fc.weight", {"format": "flax"}, -1, "Flax"),
    ],
)
def test_output_units_are_found_by_metadata_and_name(name, metadata, axis, why):
    found = unit_axis(Entry((name,), (4, 8), np.dtype("float32")), metadata)
    assert found.axis == axis
    assert why in found.why


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


def optimizer_state():
    params = {"k": jnp.ones((2, 2)), "hollow": {}}
    return optax.chain(optax.clip(1.0), optax.adam(1e-3)).init(params)


def test_dicts_without_entries_stay_where_they_are(tmp_path):
    state = optimizer_state()
    (tmp_path / "state.msgpack").write_bytes(serialization.to_bytes(state))
    loaded = read_checkpoint(tmp_path / "state.msgpack")
    restored = serialization.from_state_dict(state, loaded)
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", {"state": state})
    in_orbax = read_checkpoint(tmp_path / "folder")["state"]
    assert in_orbax[0] == {}
    assert in_orbax[1][0]["mu"]["hollow"] == {}


def test_unknown_types_name_the_choices(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read .*'\.tflite'.*\.safetensors, \.npz"):
        read_checkpoint(tmp_path / "model.tflite")
    with pytest.raises(CheckpointError, match=r"cannot write .*'\.msgpack'"):
        write_checkpoint(tmp_path / "model.msgpack", [])
    with pytest.raises(CheckpointError, match=r"\.npz cannot hold|bfloat16"):
        write_checkpoint(tmp_path / "m.npz", [(("w",), np.ones(2, ml_dtypes.bfloat16))])
    for name in ("model.npz", "folder"):
        with pytest.raises(FileNotFoundError):
            read_checkpoint(tmp_path / name)


def test_an_array_is_read_in_the_memory_that_it_takes(tmp_path):
    zeros = np.zeros((2**11, 2**11), np.float32)  # 16 MB
    np.savez_compressed(tmp_path / "w.npz", w=zeros, fortran=zeros[:8, :8].T)
    write_checkpoint(tmp_path / "w.safetensors", [(("w",), zeros)])
    for name in ("w.npz", "w.safetensors"):
        assert memory_of(lambda name=name: read_checkpoint(tmp_path / name)) < 1.1 * zeros.nbytes


def test_an_array_that_stays_is_compared_in_little_memory():
    before = np.ones(2**22, np.float32)
    assert memory_of(lambda: relative_error(before, before)) < 2**20
    after = before.copy()
    after[-1] = 3
    assert memory_of(lambda: relative_error(before, after)) < before.nbytes
    assert relative_error(before, after) == 2 / 2**11
