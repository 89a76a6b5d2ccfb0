"""Checkpoints as small files, from Python and from the command line."""

import json

import numpy as np
import orbax.checkpoint as ocp
import pytest

import jaxcomp
from jaxcomp import codec
from jaxcomp.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from jaxcomp.cli import main
from jaxcomp.compress import compress, in_memory
from jaxcomp.quantize.scalar import bits_levels, ternary_levels
from tests.helpers import small_params


def test_nothing_asked_is_nothing_done(tmp_path):
    done = compress(small_params(), tmp_path / "w.jxc")
    assert done.file_bytes == (tmp_path / "w.jxc").stat().st_size
    for name, layer in jaxcomp.load(tmp_path / "w.jxc").items():
        for leaf, array in layer.items():
            np.testing.assert_array_equal(array, small_params()[name][leaf])
    assert {change.relative_error for change in done.tensors} == {0.0}


def test_pruning_and_ternary_weights_leave_biases_alone(tmp_path):
    params = small_params()
    done = compress(params, tmp_path / "w.jxc", sparsity=0.75, quantizer=ternary_levels)
    loaded = jaxcomp.load(tmp_path / "w.jxc")
    kernels = [layer["kernel"] for layer in loaded.values()]
    assert sum(np.count_nonzero(k) for k in kernels) == 8  # of 20 + 12
    assert all(len(np.unique(np.abs(k[k != 0]))) == 1 for k in kernels)
    for name, layer in params.items():
        np.testing.assert_array_equal(loaded[name]["bias"], layer["bias"])
    change = {change.name: change for change in done.tensors}["Dense_0/kernel"]
    w, q = np.asarray(params["Dense_0"]["kernel"]), kernels[0]
    expected = np.linalg.norm(w - q) / np.linalg.norm(w)
    np.testing.assert_allclose(change.relative_error, expected, rtol=1e-6)
    assert (change.elements, change.nonzeros) == (20, np.count_nonzero(q))


def test_biases_are_rounded_if_asked(tmp_path):
    params = small_params()
    compress(params, tmp_path / "w.jxc", bias_quantizer=lambda b: bits_levels(b, 3))
    loaded = jaxcomp.load(tmp_path / "w.jxc")
    for name, layer in params.items():
        bias = loaded[name]["bias"]
        assert (bias != layer["bias"]).any()
        assert np.abs(bias - layer["bias"]).max() <= np.abs(layer["bias"]).max() / 6 + 1e-6
        np.testing.assert_array_equal(loaded[name]["kernel"], layer["kernel"])


def test_empty_zero_and_infinite_weights(tmp_path):
    params = {
        "empty": np.zeros((0, 3)),
        "zero": np.full((2, 2), -0.0),
        "inf": np.array([[np.inf, 1.0, 2.0]]),
    }
    done = compress(params, tmp_path / "w.jxc", sparsity=0.3)
    errors = {t.name: t.relative_error for t in done.tensors}
    assert errors == {"empty": 0.0, "zero": 0.0, "inf": 0.0}
    del params["inf"]
    compress(params, tmp_path / "w.jxc", quantizer=lambda w: bits_levels(w, 4, axis=0))
    assert jaxcomp.load(tmp_path / "w.jxc")["empty"].shape == (0, 3)


def test_one_array_at_a_time_is_loaded_and_those_that_are_done_are_told(tmp_path):
    whole, loaded, told = in_memory(small_params()), [], []
    source = Checkpoint(whole.entries, lambda entry: loaded.append(entry) or whole.load(entry))
    compress(source, tmp_path / "w.jxc", progress=told.append)
    assert loaded == list(whole.entries)
    assert sum(told) == whole.nbytes == 4 * (20 + 12 + 7)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan")])
def test_bad_sparsity(tmp_path, sparsity):
    with pytest.raises(ValueError, match=rf"in \[0, 1\), got {sparsity}"):
        compress(small_params(), tmp_path / "w.jxc", sparsity=sparsity)


def test_what_cannot_be_rounded_is_named_and_nothing_is_written(tmp_path):
    params = {"layer": {"kernel": np.array([[1.0, np.nan]])}}
    with pytest.raises(ValueError, match="'layer/kernel' has values that are not finite"):
        compress(params, tmp_path / "w.jxc", quantizer=ternary_levels)
    with pytest.raises(ValueError, match="not a number"):
        compress(params, tmp_path / "w.jxc", sparsity=0.5)
    with pytest.raises(ValueError, match="lambda is for weights that are rounded"):
        compress(params, tmp_path / "w.jxc", trade=0.1)
    compress(params, tmp_path / "kept.jxc")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.jxc"]


@pytest.fixture
def checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        ("fc.weight",): rng.normal(size=(100, 50)).astype(np.float32),
        ("fc.bias",): rng.normal(size=100).astype(np.float32),
    }
    write_checkpoint(tmp_path / "model.safetensors", arrays.items())
    return tmp_path / "model.safetensors"


def test_there_and_back_on_the_command_line_is_exact(checkpoint, tmp_path, capsys):
    file, back = str(tmp_path / "model.jxc"), str(tmp_path / "back.safetensors")
    assert main(["compress", str(checkpoint), "-o", file]) == 0
    assert main(["decompress", file, "-o", back]) == 0
    assert "times smaller" in capsys.readouterr().out
    before, after = read_checkpoint(checkpoint), read_checkpoint(back)
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_rounded_weights_are_found_again_in_what_was_decompressed(checkpoint, tmp_path):
    file, back, again = (str(tmp_path / name) for name in ("a.jxc", "back.safetensors", "b.jxc"))
    assert main(["compress", str(checkpoint), "-o", file, "--bits=4"]) == 0
    assert main(["decompress", file, "-o", back]) == 0
    assert main(["compress", back, "-o", again]) == 0
    assert (tmp_path / "a.jxc").read_bytes() == (tmp_path / "b.jxc").read_bytes()


def test_ternary_on_the_command_line(checkpoint, tmp_path, capsys):
    file, report = tmp_path / "model.jxc", tmp_path / "report.json"
    command = ["compress", str(checkpoint), "-o", str(file), "--prune=0.9", "--ternary"]
    assert main([*command, f"--report={report}"]) == 0
    assert f"to {file.stat().st_size:,} bytes" in capsys.readouterr().out
    weight = jaxcomp.load(file)["fc.weight"]
    assert np.count_nonzero(weight) == 500
    assert len(np.unique(weight)) == 3
    written = json.loads(report.read_text())
    assert written["bytes"] == file.stat().st_size < 1_300
    error = {t["name"]: t["relative_error"] for t in written["tensors"]}
    assert 0 < error["fc.weight"] < 1
    assert error["fc.bias"] == 0
    assert main(["inspect", str(file), "--original", str(checkpoint), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["tensors"]
    assert {t["name"]: t["relative_error"] for t in shown} == error


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
    size = file.stat().st_size
    assert main(["compress", str(checkpoint), "-o", str(file), option, "--lambda=1"]) == 0
    assert file.stat().st_size < size


def test_channels_are_first_in_safetensors_and_last_in_orbax(checkpoint, tmp_path):
    weight, file = read_checkpoint(checkpoint)["fc.weight"], str(tmp_path / "model.jxc")
    assert main(["compress", str(checkpoint), "-o", file, "--bits=4", "--per-channel"]) == 0
    assert codec.read(file)["fc.weight"][1].shape == (100, 1)
    with ocp.StandardCheckpointer() as saver:
        saver.save(tmp_path / "folder", {"layer": {"kernel": weight}})
    folder = str(tmp_path / "folder")
    assert main(["compress", folder, "-o", file, "--bits=4", "--per-channel"]) == 0
    levels, steps = codec.read(file)["layer/kernel"]
    assert steps.shape == (1, 50)
    np.testing.assert_allclose(steps[0], np.abs(weight).max(axis=0) / 7, rtol=1e-6)
    assert np.abs(levels).max() == 7


def test_ways_to_round_exclude_each_other(checkpoint, capsys):
    with pytest.raises(SystemExit):
        main(["compress", str(checkpoint), "-o", "x.jxc", "--ternary", "--bits=4"])
    assert "not allowed with argument" in capsys.readouterr().err


MODEL = ["compress", "model.safetensors", "-o", "x.jxc"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*MODEL, "--bits=9"], "--bits must be from 2 to 8, got 9"),
        ([*MODEL, "--bias-bits=1"], "--bias-bits must be from 2 to 8, got 1"),
        ([*MODEL, "--levels=1"], "from 2 to 256, got 1"),
        ([*MODEL, "--step=0"], "positive and finite"),
        ([*MODEL, "--step=1e-9"], "give a larger step"),
        ([*MODEL, "--lambda=1"], "--lambda needs one of --ternary"),
        ([*MODEL, "--bits=4", "--lambda=-1"], "--lambda must be at least 0"),
        ([*MODEL, "--levels=4", "--per-channel"], "--per-channel needs --ternary or --bits"),
        ([*MODEL, "--prune=2"], r"in [0, 1), got 2.0"),
        ([*MODEL, "--report=nowhere/x.json"], "No such file"),
        ([*MODEL, "--report=model.safetensors"], "--report needs a file of its own"),
        ([*MODEL, "--report=."], "Is a directory"),
        (["compress", "nowhere.npz", "-o", "x.jxc"], "nowhere.npz: No such file"),
        (["compress", "model.pt", "-o", "x.jxc"], "choose from .safetensors, .npz, .msgpack"),
        (["compress", "model.safetensors", "-o", "model.safetensors"], "must be a .jxc file"),
        (["compress", "model.safetensors", "-o", "nowhere/x.jxc"], "nowhere/x.jxc: No such file"),
        (["decompress", "model.safetensors", "-o", "x.npz"], "not a .jxc file"),
        (["decompress", "x.jxc", "-o", "x.pt"], "x.pt: cannot write checkpoints"),
        (["decompress", "x.jxc", "-o", "x.npz"], "x.jxc: No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(checkpoint, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(checkpoint.parent)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in checkpoint.parent.iterdir()] == ["model.safetensors"]


def test_an_original_of_another_network(checkpoint, tmp_path, capsys):
    codec.save(tmp_path / "x.jxc", {"other": np.ones(3)})
    assert main(["inspect", str(tmp_path / "x.jxc"), "--original", str(checkpoint)]) == 1
    assert "it has no array 'other' of shape (3,)" in capsys.readouterr().err
