"""Files of PyTorch, which is a hundred times as large as the library: only extra `peers` has it."""

import sys

import ml_dtypes
import numpy as np
import pytest

from jaxcomp.checkpoints import open_checkpoint, read_checkpoint
from jaxcomp.cli import main
from tests.checkpoints.claims import refused


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: extra `peers` has it")


@pytest.fixture
def network(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict(torch, network, tmp_path, suffix, zipped):
    state = network.state_dict() | {"half": torch.ones(2, 3, dtype=torch.bfloat16).T}
    path = tmp_path / f"m{suffix}"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    read = read_checkpoint(path)
    assert read.keys() == state.keys()
    assert read["half"].dtype == ml_dtypes.bfloat16
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name].astype(np.float64), tensor.double().numpy())
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {"format": "pt"}
        assert checkpoint.remarks == ()


def test_only_the_network_of_a_training_is_stored(torch, network, tmp_path, capsys):
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 3,
        "model_state_dict": network.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
    }
    torch.save(checkpoint, tmp_path / "m.pt")
    assert main(["compress", str(tmp_path / "m.pt"), "-o", str(tmp_path / "m.jxc")]) == 0
    out = capsys.readouterr().out
    assert "entries that are no tensors, such as 'epoch', are left out" in out
    assert main(["inspect", str(tmp_path / "m.jxc")]) == 0
    out = capsys.readouterr().out
    assert "0.weight" in out
    assert "exp_avg" not in out


def test_nothing_is_executed(torch, network, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    torch.save({"w": torch.ones(2), "evil": Evil()}, tmp_path / "evil.pt")
    refused(tmp_path / "evil.pt", "more than tensors, which would be executed")
    torch.save(network, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "more than tensors, which would be executed")
    assert not (tmp_path / "made").exists()


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")  # of PyTorch
def test_what_is_no_dict_of_dense_tensors_is_named(torch, tmp_path):
    torch.save(torch.ones(2), tmp_path / "m.pt")
    refused(tmp_path / "m.pt", "it holds a Tensor instead of a dict")
    torch.save({"a": {"w": torch.ones(2, 2).to_sparse()}}, tmp_path / "m.pt")
    refused(tmp_path / "m.pt", "'a/w' is sparse")
    (tmp_path / "m.pt").write_bytes(b"nothing")
    refused(tmp_path / "m.pt", "not a valid .pt checkpoint|more than tensors")


def test_without_pytorch_there_is_a_way(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "m.pt").write_bytes(b"")
    with pytest.raises(ImportError, match=r"pip install torch. Or .* as .safetensors where"):
        read_checkpoint(tmp_path / "m.pt")
