"""`.h5` files, as Keras writes them."""

import sys

import h5py
import numpy as np
import pytest

import jaxcomp
from jaxcomp.checkpoints import open_checkpoint, read_checkpoint
from jaxcomp.cli import main
from tests.checkpoints.claims import assert_same, refused

RNG = np.random.default_rng(0)
KERNEL, BIAS = RNG.normal(size=(4, 3)).astype(np.float32), np.zeros(3, np.float32)


@pytest.fixture
def weights(tmp_path):
    """Of Keras 3: the variables of a layer have numbers for names, those of the optimizer too."""
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = KERNEL, BIAS
        file["optimizer/vars/0"] = 7
        file["optimizer/vars/1"] = KERNEL
    return path


def test_groups_are_nested_dicts(weights):
    read = read_checkpoint(weights)
    assert_same({"0": KERNEL, "1": BIAS}, read["layers"]["dense"]["vars"])
    assert read["optimizer"]["vars"]["0"] == 7


def test_the_state_of_the_optimizer_is_not_the_network(weights, tmp_path, capsys):
    assert main(["compress", str(weights), "-o", str(tmp_path / "m.jxc")]) == 0
    assert jaxcomp.load(tmp_path / "m.jxc").keys() == {"layers"}
    assert "optimizer" in capsys.readouterr().out


def test_text_and_what_is_empty_is_left_out_and_said(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["w"], file["names"] = KERNEL, ["a", "b"]
        file["none"] = h5py.Empty("f")
    with open_checkpoint(tmp_path / "m.h5") as checkpoint:
        assert [entry.name for entry in checkpoint.entries] == ["w"]
        assert set(checkpoint.remarks) == {
            "'names' is no array of numbers, and left out",
            "'none' is no array of numbers, and left out",
        }


def test_arrays_of_other_files_are_not_read(tmp_path):
    """A file from elsewhere could name any file of the machine."""
    (tmp_path / "secret").write_bytes(bytes(8))
    with h5py.File(tmp_path / "external.h5", "w") as file:
        outside = [(str(tmp_path / "secret"), 0, 8)]
        file.create_dataset("w", (2,), np.float32, external=outside)
    refused(tmp_path / "external.h5", "'w' is in another file")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["w"] = KERNEL
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((4, 3), np.float32)
        layout[...] = h5py.VirtualSource(str(tmp_path / "m.h5"), "w", (4, 3))
        file.create_virtual_dataset("v", layout)
    refused(tmp_path / "virtual.h5", "'v' is in another file")
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["own"] = BIAS
        file["link"] = h5py.ExternalLink(str(tmp_path / "m.h5"), "w")
    assert read_checkpoint(tmp_path / "links.h5").keys() == {"own"}


def test_without_the_library_there_is_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "m.h5").write_bytes(b"")
    with pytest.raises(ImportError, match=r'pip install "jaxcomp\[keras\]"'):
        read_checkpoint(tmp_path / "m.h5")
