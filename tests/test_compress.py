"""Compression in one shot: what is kept, what it costs, and the commands around it."""

import json

import jax
import numpy as np
import pytest

import jaxcomp
from jaxcomp.checkpoints import read_checkpoint, write_checkpoint
from jaxcomp.cli import main
from jaxcomp.compress import compress
from jaxcomp.quantize import dequantize, ternarize
from tests.helpers import small_params


def test_nothing_asked_is_nothing_done():
    result = compress(small_params())
    jax.tree.map(np.testing.assert_array_equal, result.params, small_params())
    assert {change.relative_error for change in result.changes} == {0.0}


def test_pruning_and_ternary_weights_leave_biases_alone():
    params = small_params()
    result = compress(
        params, sparsity=0.75, quantizer=lambda w: dequantize(ternarize(w, mask=True))
    )
    kernels = [layer["kernel"] for layer in result.params.values()]
    assert sum(np.count_nonzero(k) for k in kernels) == 8  # of 20 + 12
    assert all(len(np.unique(np.abs(k[k != 0]))) == 1 for k in kernels)
    for name, layer in params.items():
        np.testing.assert_array_equal(result.params[name]["bias"], layer["bias"])
    change = {change.name: change for change in result.changes}["Dense_0/kernel"]
    w, q = np.asarray(params["Dense_0"]["kernel"]), np.asarray(kernels[0])
    np.testing.assert_allclose(
        change.relative_error, np.linalg.norm(w - q) / np.linalg.norm(w), rtol=1e-6
    )
    assert (change.elements, change.nonzeros) == (20, np.count_nonzero(q))


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan")])
def test_bad_sparsity(sparsity):
    with pytest.raises(ValueError, match=rf"in \[0, 1\), got {sparsity}"):
        compress(small_params(), sparsity=sparsity)


@pytest.fixture
def checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "fc.weight": rng.normal(size=(100, 50)).astype(np.float32),
        "fc.bias": rng.normal(size=100).astype(np.float32),
    }
    write_checkpoint(tmp_path / "model.safetensors", arrays)
    return tmp_path / "model.safetensors"


def test_there_and_back_on_the_command_line_is_exact(checkpoint, tmp_path, capsys):
    file, back = str(tmp_path / "model.jxc"), str(tmp_path / "back.safetensors")
    assert main(["compress", str(checkpoint), "-o", file]) == 0
    assert main(["decompress", file, "-o", back]) == 0
    assert "times smaller" in capsys.readouterr().out
    before, after = read_checkpoint(checkpoint), read_checkpoint(back)
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_ternary_on_the_command_line(checkpoint, tmp_path, capsys):
    file, report = tmp_path / "model.jxc", tmp_path / "report.json"
    command = ["compress", str(checkpoint), "-o", str(file), "--prune=0.9", "--ternary"]
    assert main([*command, f"--report={report}"]) == 0
    assert f"to {file.stat().st_size:,} bytes" in capsys.readouterr().out
    weight = jaxcomp.load(file)["fc.weight"]
    assert np.count_nonzero(weight) == 500
    assert len(np.unique(weight)) == 3
    written = json.loads(report.read_text())
    assert written["bytes"] == file.stat().st_size < 1_500
    assert 0 < written["tensors"][1]["relative_error"] < 1


@pytest.mark.parametrize(
    ("option", "values"), [("--levels=16", 16), ("--bits=4", 15), ("--step=0.5", 20)]
)
def test_few_values_on_the_command_line(checkpoint, tmp_path, option, values):
    file = tmp_path / "model.jxc"
    assert main(["compress", str(checkpoint), "-o", str(file), option]) == 0
    weight, before = jaxcomp.load(file)["fc.weight"], read_checkpoint(checkpoint)["fc.weight"]
    assert 3 < len(np.unique(weight)) <= values
    assert weight.dtype == before.dtype
    assert np.linalg.norm(weight - before) < 0.2 * np.linalg.norm(before)


def test_ways_to_round_exclude_each_other(checkpoint, capsys):
    with pytest.raises(SystemExit):
        main(["compress", str(checkpoint), "-o", "x.jxc", "--ternary", "--bits=4"])
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compress", "model.safetensors", "-o", "x.jxc", "--bits=9"], "from 2 to 8, got 9"),
        (["compress", "model.safetensors", "-o", "x.jxc", "--levels=1"], "from 2 to 256, got 1"),
        (["compress", "model.safetensors", "-o", "x.jxc", "--step=0"], "positive and finite"),
        (["compress", "nowhere.npz", "-o", "x.jxc"], "nowhere.npz: No such file"),
        (["compress", "model.pt", "-o", "x.jxc"], "choose from .safetensors, .npz, .msgpack"),
        (["compress", "model.safetensors", "-o", "x.jxc", "--prune=2"], r"in [0, 1), got 2.0"),
        (["compress", "model.safetensors", "-o", "nowhere/x.jxc"], "nowhere/x.jxc: No such file"),
        (["decompress", "model.safetensors", "-o", "x.npz"], "not a .jxc file"),
        (["decompress", "x.jxc", "-o", "x.pt"], "x.pt: cannot write checkpoints"),
    ],
)
def test_what_cannot_be_done_is_one_line(checkpoint, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(checkpoint.parent)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in checkpoint.parent.iterdir()] == ["model.safetensors"]
