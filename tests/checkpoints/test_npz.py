"""`.npz` files: what is no array, and what declares too much."""

import zipfile

import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import serialization
from numpy.lib import format as npy

from jaxcomp.checkpoints import CheckpointError, open_checkpoint, read_checkpoint
from tests.checkpoints.claims import assert_same, memory_of, refused


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
