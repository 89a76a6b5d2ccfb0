"""Checkpoints of other programs: what was written is read, what is wrong is named."""

import ml_dtypes
import numpy as np
import pytest
from flax import serialization
from safetensors.numpy import save_file

from jaxcomp.checkpoints import CheckpointError, read_checkpoint, write_checkpoint


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "layer.0.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "layer.0.bias": np.zeros(4, np.float16),
        "half": np.ones((2, 2), ml_dtypes.bfloat16),
        "step": np.array(7),
    }


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert (array.dtype, array.shape) == (other[name].dtype, other[name].shape)
        assert array.tobytes() == other[name].tobytes()


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_round_trip(tmp_path, arrays, suffix):
    if suffix == ".npz":
        del arrays["half"]  # a type that numpy's own files do not know
    write_checkpoint(tmp_path / f"model{suffix}", arrays)
    assert_same(arrays, read_checkpoint(tmp_path / f"model{suffix}"))
    assert [path.name for path in tmp_path.iterdir()] == [f"model{suffix}"]


def test_files_of_other_writers(tmp_path, arrays):
    save_file(arrays, tmp_path / "model.safetensors")
    assert_same(arrays, read_checkpoint(tmp_path / "model.safetensors"))
    tree = {"params": {"Dense_0": {"kernel": arrays["layer.0.weight"]}}}
    (tmp_path / "model.msgpack").write_bytes(serialization.to_bytes(tree))
    loaded = read_checkpoint(tmp_path / "model.msgpack")
    assert_same(tree["params"]["Dense_0"], loaded["params"]["Dense_0"])


def test_nested_names_are_joined_and_must_stay_different(tmp_path):
    one = np.ones(2)
    write_checkpoint(tmp_path / "model.npz", {"a": {"b": one, 0: one}})
    assert set(read_checkpoint(tmp_path / "model.npz")) == {"a/b", "a/0"}
    with pytest.raises(CheckpointError, match="two arrays would have the name 'a/b'"):
        write_checkpoint(tmp_path / "model.npz", {"a": {"b": one}, "a/b": one})


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".msgpack"])
@pytest.mark.parametrize("data", [b"", b"not a checkpoint at all", b"\xff" * 100])
def test_files_that_are_not_what_they_say(tmp_path, suffix, data):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"not a valid {suffix} checkpoint"):
        read_checkpoint(path)


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "model.npz", bad=np.array([{}], object))
    with pytest.raises(CheckpointError, match="allow_pickle"):
        read_checkpoint(tmp_path / "model.npz")


def test_unknown_types_name_the_choices(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read .*'\.pt'.*\.safetensors, \.npz"):
        read_checkpoint(tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"cannot write .*'\.msgpack'"):
        write_checkpoint(tmp_path / "model.msgpack", {})
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "model.npz")
