"""Checkpoints of other programs: what was written is read, what is wrong is named."""

import gc
import shutil
import sys
import time
import tracemalloc
import types
import zipfile

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
import safetensors
from flax import nnx, serialization
from numpy.lib import format as npy
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


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "model.npz", bad=np.array([{}], object))
    with pytest.raises(CheckpointError, match=r"'bad'.*object cannot be stored"):
        read_checkpoint(tmp_path / "model.npz")


def remarks_on(path):
    with open_checkpoint(path) as checkpoint:
        return checkpoint.remarks


def test_text_and_stray_members_are_left_out_and_said(tmp_path):
    w = np.ones((2, 2), np.float32)
    tree = {"params": {"w": w}, "name": "text", "raw": b"bytes", "none": None}
    (tmp_path / "model.msgpack").write_bytes(serialization.to_bytes(tree))
    assert_same(read_checkpoint(tmp_path / "model.msgpack")["params"], {"w": w})
    assert remarks_on(tmp_path / "model.msgpack") == (
        "'name' is text, and left out",
        "'raw' is text, and left out",
        "'none' is None: a dict without entries stands for it",
    )
    np.savez(tmp_path / "model.npz", w=w, name=np.array("text"), raw=np.array([b"bytes"]))
    with zipfile.ZipFile(tmp_path / "model.npz", "a") as archive:
        archive.writestr("README.txt", "read me")
        archive.writestr("folder/", "")
        archive.writestr("__MACOSX/._w.npy", "x")
    assert_same(read_checkpoint(tmp_path / "model.npz"), {"w": w})
    assert remarks_on(tmp_path / "model.npz") == (
        "'name' is text, and left out",
        "'raw' is text, and left out",
        "the member 'README.txt' is no .npy file, and left out",
        "the member '__MACOSX/._w.npy' is no .npy file, and left out",
    )
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", {"w": w, "name": "text"})
    assert_same(read_checkpoint(tmp_path / "folder"), {"w": w})
    assert remarks_on(tmp_path / "folder") == ("'name' is text, and left out",)


def test_a_damaged_array_is_not_taken_for_a_stray_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        archive.writestr("w.npy", "not an array")
    with pytest.raises(CheckpointError, match=r"not a valid \.npz checkpoint"):
        read_checkpoint(tmp_path / "model.npz")


def test_types_that_numpy_lost_and_fields(tmp_path):
    np.savez(tmp_path / "lost.npz", w=np.ones(2, ml_dtypes.bfloat16))
    with pytest.raises(CheckpointError, match=r"'w' has entries of 2 bytes .* bfloat16 .* float32"):
        read_checkpoint(tmp_path / "lost.npz")
    np.savez(tmp_path / "fields.npz", w=np.zeros(2, [("a", "f4"), ("b", "i4")]))
    with pytest.raises(CheckpointError, match="'w' has fields"):
        read_checkpoint(tmp_path / "fields.npz")


def test_every_version_of_the_npy_header(tmp_path):
    w = np.arange(6.0).reshape(2, 3)
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        for version in ((1, 0), (2, 0), (3, 0)):
            with archive.open(f"w{version[0]}.npy", "w") as member:
                npy.write_array(member, w, version)
    assert_same(read_checkpoint(tmp_path / "model.npz"), {f"w{i}": w for i in (1, 2, 3)})


def test_metadata_of_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"w": np.ones(2)}, path, {"format": "pt", "": "ä"})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {"format": "pt", "": "ä"}
    write_checkpoint(path, [(("w",), np.ones(2))], {"format": "np"})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {"format": "np"}
    write_checkpoint(path, [(("w",), np.ones(2))])
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {}


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


class Modules(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(2, 3, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(11)])


def test_nnx_from_orbax_goes_back_into_its_module(tmp_path):
    state = nnx.state(Modules(nnx.Rngs(0)))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", state)
        checkpointer.save(tmp_path / "both", {"model": state, "value": jnp.ones(2), "0": {}})
    loaded = read_checkpoint(tmp_path / "folder")
    other = nnx.state(Modules(nnx.Rngs(1)))
    nnx.replace_by_pure_dict(other, loaded)
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(state), nnx.to_pure_dict(other))
    both = read_checkpoint(tmp_path / "both")
    assert both["model"].keys() == loaded.keys()
    assert both.keys() == {"model", "value", "0"}


def test_a_dict_that_only_has_something_called_value_is_left_alone(tmp_path):
    tree = {"a": {"0": {"value": jnp.ones(2)}, "1": jnp.ones(3)}, "value": jnp.ones(1)}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", tree)
    loaded = read_checkpoint(tmp_path / "folder")
    assert jax.tree.structure(loaded) == jax.tree.structure(tree)


def test_steps_with_a_name(tmp_path):
    for prefix in ("ckpt", "other"):
        options = ocp.CheckpointManagerOptions(step_prefix=prefix, step_format_fixed_length=6)
        with ocp.CheckpointManager(tmp_path / "run", options=options) as manager:
            for step in (9, 10):
                manager.save(step, args=ocp.args.StandardSave({"w": jnp.full(3, float(step))}))
        if prefix == "ckpt":
            np.testing.assert_array_equal(read_checkpoint(tmp_path / "run")["w"], [10, 10, 10])
    with pytest.raises(CheckpointError, match=r"several names, 'ckpt_', 'other_': give the folder"):
        read_checkpoint(tmp_path / "run")


def test_files_of_flax_without_a_suffix_and_their_folder(tmp_path):
    for step in (9, 10):
        data = serialization.to_bytes({"w": np.full(3, step)})
        (tmp_path / f"checkpoint_{step}").write_bytes(data)
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "checkpoint_9")["w"], [9, 9, 9])
    np.testing.assert_array_equal(read_checkpoint(tmp_path)["w"], [10, 10, 10])
    (tmp_path / "checkpoint_9").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="not a valid flax checkpoint"):
        read_checkpoint(tmp_path / "checkpoint_9")


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


def numpy_header(text, version=(2, 0)):
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + text


def npy_file(shape, data=b"", dtype="<f4", spaces=0):
    fields = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return numpy_header(fields.encode() + b" " * spaces + b"\n") + data


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def declared(path, name, size):
    """Change the size that the directory of a zip archive declares for a member."""
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    assert data[directory + 46 :].startswith(name.encode())
    data[directory + 24 : directory + 28] = size.to_bytes(4, "little")
    path.write_bytes(data)


def memory_of(function):
    """The most memory that is taken, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(path, message):
    with pytest.raises(CheckpointError, match=message) as error:
        read_checkpoint(path)
    assert "allow_pickle" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_long_npy_header_is_refused_before_it_is_read(tmp_path, version):
    spaces = 60_000 if version == (1, 0) else 20_000_000
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + b" " * spaces + b"\n"
    zipped(tmp_path / "w.npz", {"w.npy": numpy_header(text, version) + bytes(4)})
    message = rf"'w' has a header of {len(text):,} bytes, more than 10,000"
    memory = memory_of(lambda: refused(tmp_path / "w.npz", message))
    assert memory < 2**20


def test_an_npz_file_that_declares_too_much_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "w.npz"
    zipped(path, {"w.npy": npy_file((2**28,), bytes(2**20))})
    declared(path, "w.npy", 2**30)
    memory = memory_of(lambda: refused(path, "declares 1,073,741,824 bytes of arrays, more than"))
    assert memory < 2**20
    zipped(path, {"w.npy": npy_file((2**28,), bytes(2**20))})
    refused(path, "has 1,048,576 bytes of data, an array of shape")


@pytest.mark.parametrize("shape", [(2**62, 2**62), (-1,), (-1, -4), "(1,", 3])
def test_npy_shapes_that_are_none(tmp_path, shape):
    zipped(tmp_path / "w.npz", {"w.npy": npy_file(shape, bytes(16))})
    refused(tmp_path / "w.npz", "not a valid|bytes of data")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_can_hold_no_more_than_they_declare(tmp_path, method):
    zipped(tmp_path / "w.npz", {"w.npy": npy_file((4,), bytes(16))}, method)
    refused(tmp_path / "w.npz", r"'w\.npy' is compressed by a method that numpy does not use")


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


def test_the_bytes_of_a_safetensors_header_are_read_once(tmp_path, monkeypatch):
    arrays = [((f"layer.{i}",), np.full(2, i, np.float32)) for i in range(200)]
    write_checkpoint(tmp_path / "w.safetensors", arrays)
    opened, safe_open = [], safetensors.safe_open

    def counted(*arguments, **options):
        opened.append(arguments)
        return safe_open(*arguments, **options)

    monkeypatch.setattr(safetensors, "safe_open", counted)
    loaded = read_checkpoint(tmp_path / "w.safetensors")
    assert len(opened) == 1
    assert all((loaded[name] == array).all() for (name,), array in arrays)


def test_many_single_numbers_are_refused_at_once(tmp_path):
    path = tmp_path / "w.msgpack"
    path.write_bytes(serialization.msgpack_serialize({"xs": list(range(200_000))}))
    refused(path, "200,000 single numbers, more than 10,000")
    path.write_bytes(serialization.msgpack_serialize({"xs": [1, 2.5], "w": np.ones(2)}))
    assert read_checkpoint(path)["xs"] == {0: 1, 1: 2.5}


def test_links_out_of_an_orbax_folder_are_refused(tmp_path):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "folder", {"w": jnp.ones(3)})
    metadata = tmp_path / "folder" / "_METADATA"
    inside = metadata.rename(tmp_path / "folder" / "metadata")
    metadata.symlink_to("metadata")
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "folder")["w"], np.ones(3))
    metadata.unlink()
    metadata.symlink_to(inside.rename(tmp_path / "outside"))
    refused(tmp_path / "folder", r"_METADATA is a link out of the folder")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "7").symlink_to(tmp_path / "folder")
    refused(tmp_path / "run", "7 is a link out of the folder")


def test_damaged_orbax_folders_are_one_error(tmp_path, monkeypatch):
    """Reads that end after the first that fails are not heard of."""
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", heard.append)
    with ocp.StandardCheckpointer() as checkpointer:
        arrays = {f"w{i}": jnp.full((9, 9), float(i)) for i in range(12)}
        checkpointer.save(tmp_path / "whole", arrays)
    for number, (name, message) in enumerate(
        (
            ("_METADATA", "its _METADATA is damaged"),
            ("manifest.ocdbt", "manifest"),
            ("**/d/*", "Error reading"),
        )
    ):
        folder = shutil.copytree(tmp_path / "whole", tmp_path / str(number))
        for file in folder.glob(name):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        refused(folder, message)
    time.sleep(0.2)  # they would come now
    gc.collect()
    assert not heard
    other = types.SimpleNamespace(exc_value=RuntimeError("another"))
    sys.unraisablehook(other)
    assert heard == [other]
