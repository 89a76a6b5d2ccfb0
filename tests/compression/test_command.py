"""`jaxcomp compress`: its options, what it prints, and the way back."""

import json
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest
from safetensors.numpy import save_file

import jaxcomp
from jaxcomp import codec
from jaxcomp.checkpoints import open_checkpoint, read_checkpoint, write_checkpoint
from jaxcomp.cli import main
from jaxcomp.compression import compress
from jaxcomp.quantize.scalar import ternary_levels


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
    ("option", "values"), [("--codebook=16", 16), ("--bits=4", 15), ("--step=0.5", 20)]
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


def test_a_step_for_each_output_unit(checkpoint, tmp_path, capsys):
    weight, file = read_checkpoint(checkpoint)["fc.weight"], str(tmp_path / "model.jxc")
    assert main(["compress", str(checkpoint), "-o", file, "--bits=4", "--per-unit"]) == 0
    assert codec.read(file)["fc.weight"][1].shape == (100, 1)
    said = "output units are the first axis of 1 array (as PyTorch and Equinox have it, by the name"
    assert said in capsys.readouterr().out
    with ocp.StandardCheckpointer() as saver:
        saver.save(tmp_path / "folder", {"layer": {"kernel": weight}})
    folder = str(tmp_path / "folder")
    assert main(["compress", folder, "-o", file, "--bits=4", "--per-unit"]) == 0
    levels, steps = codec.read(file)["layer/kernel"]
    assert steps.shape == (1, 50)
    assert (steps[0] <= np.abs(weight).max(axis=0) / 7 * (1 + 1e-6)).all()
    np.testing.assert_array_equal(np.abs(levels).max(axis=0), 7)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_units_of_a_convolution_of_flax_in_files_of_other_programs(suffix, tmp_path):
    """`decompress` writes them as they were: [height, width, inputs, outputs]."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 6)).astype(np.float32)
    jaxcomp.save(tmp_path / "a.jxc", {"Conv_0": {"kernel": kernel}})
    other, file = tmp_path / f"a{suffix}", tmp_path / "b.jxc"
    assert main(["decompress", str(tmp_path / "a.jxc"), "-o", str(other)]) == 0
    assert main(["compress", str(other), "-o", str(file), "--bits=4", "--per-unit"]) == 0
    assert codec.read(file)["Conv_0/kernel"][1].shape == (1, 1, 1, 6)
    options = ["--ternary", "--per-unit", "--unit-axis=2", "--report", str(tmp_path / "r.json")]
    assert main(["compress", str(other), "-o", str(file), *options]) == 0
    assert codec.read(file)["Conv_0/kernel"][1].shape == (1, 1, 4, 1)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["unit_axes"] == ["axis 2 of 1 array (as given)"]


def test_units_in_memory_and_an_axis_that_is_a_guess(tmp_path):
    params = {"w": np.eye(3, 4, dtype=np.float32), "v": np.ones((2, 5), np.float32)}
    done = compress(params, tmp_path / "a.jxc", quantizer=ternary_levels, per_unit=True)
    assert done.unit_axes == (
        "the last axis of 2 arrays (a guess, nothing says which: see --unit-axis)",
    )
    with pytest.raises(ValueError, match="per_unit is for weights that are rounded"):
        compress(params, tmp_path / "a.jxc", per_unit=True)
    with pytest.raises(ValueError, match="units_on=1 is for levels of units"):
        compress(params, tmp_path / "a.jxc", quantizer=ternary_levels, units_on=1)


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
        ([*MODEL, "--codebook=1"], "from 2 to 256, got 1"),
        ([*MODEL, "--step=0"], "positive and finite"),
        ([*MODEL, "--step=1e-9"], "give a larger step"),
        ([*MODEL, "--lambda=1"], "--lambda needs one of --ternary"),
        ([*MODEL, "--bits=4", "--lambda=-1"], "--lambda must be at least 0"),
        ([*MODEL, "--codebook=4", "--per-unit"], "--per-unit needs --ternary or --bits"),
        ([*MODEL, "--bits=4", "--unit-axis=0"], "--unit-axis needs --per-unit"),
        ([*MODEL, "--bits=4", "--per-unit", "--unit-axis=2"], "2 axes, and none of number 2: give"),
        ([*MODEL, "--prune=2"], r"in [0, 1), got 2.0"),
        ([*MODEL, "--floor=0.1"], "--floor needs --prune"),
        ([*MODEL, "--prune=0.9", "--floor=0.2"], "from 0 to 0.1, which --prune leaves, got 0.2"),
        ([*MODEL, "--only=("], "--only is not a regular expression"),
        ([*MODEL, "--exclude=."], "none of the 2 arrays, such as 'fc.bias', 'fc.weight'"),
        ([*MODEL, "--report=nowhere/x.json"], "No such file"),
        ([*MODEL, "--report=model.safetensors"], "--report needs a file of its own"),
        ([*MODEL, "--report=."], "Is a directory"),
        (["compress", "nowhere.npz", "-o", "x.jxc"], "nowhere.npz: No such file"),
        (["compress", "model.tflite", "-o", "x.jxc"], "choose from .safetensors, .npz"),
        (["compress", "model.gguf", "-o", "x.jxc"], "GGUF files are not read"),
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


def test_metadata_goes_there_and_back(tmp_path, capsys):
    source, file, back = (str(tmp_path / n) for n in ("a.safetensors", "a.jxc", "b.safetensors"))
    metadata = {"format": "pt", "long": "x" * 2_000}
    save_file({"w": np.ones((2, 2), np.float32)}, source, metadata)
    assert main(["compress", source, "-o", file]) == 0
    assert "the metadata 'long' is too long, and left out" in capsys.readouterr().out
    assert jaxcomp.load(file).keys() == {"w"}
    assert codec.metadata(file) == {"format": "pt"}
    assert [t.name for t in codec.describe(file).tensors] == ["w"]
    assert main(["decompress", file, "-o", back]) == 0
    with open_checkpoint(back) as checkpoint:
        assert checkpoint.metadata == {"format": "pt"}


def test_weights_that_rounding_destroys_are_named(tmp_path, capsys):
    w = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    outlier = w.copy()
    outlier[0, 0] = 1e30
    source, file, report = (str(tmp_path / n) for n in ("a.npz", "a.jxc", "r.json"))
    np.savez(source, good=w, bad=outlier, wide=w.astype(np.float64) * 1e200)
    assert main(["compress", source, "-o", file, "--bits=4", f"--report={report}"]) == 0
    captured = capsys.readouterr()
    warned = captured.err.splitlines()
    assert "warning: the relative error of 'bad' without its largest weights is 100%" in warned[0]
    assert "--exclude" in warned[1]
    assert len(warned) == 2
    written = json.loads(Path(report).read_text(), parse_constant=pytest.fail)
    errors = {t["name"]: t for t in written["tensors"]}
    assert errors["bad"]["relative_error"] < 1e-20
    assert errors["bad"]["trimmed_error"] == 1
    np.testing.assert_allclose(
        errors["wide"]["relative_error"], errors["good"]["relative_error"], rtol=1e-5
    )
    assert f"'good' {errors['good']['relative_error']:.2%}" in captured.out
    np.testing.assert_allclose(
        written["relative_error"], errors["wide"]["relative_error"], rtol=1e-12
    )


def test_layers_that_are_pruned_away_are_named_and_a_floor_keeps_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    source, file = str(tmp_path / "a.npz"), str(tmp_path / "a.jxc")
    fc1, fc2 = rng.normal(size=(100, 100)), 1e-3 * rng.normal(size=(50, 10))
    np.savez(source, fc1=fc1, fc2=fc2)
    assert main(["compress", source, "-o", file, "--prune=0.95"]) == 0
    assert "warning: nothing is left of 'fc2': all of it is zero" in capsys.readouterr().err
    assert main(["compress", source, "-o", file, "--prune=0.95", "--floor=0.02"]) == 0
    assert "nothing is left" not in capsys.readouterr().err
    loaded = jaxcomp.load(file)
    np.testing.assert_array_equal(np.flatnonzero(loaded["fc2"]), np.sort(order_of(fc2)[:10]))
    assert np.count_nonzero(loaded["fc1"]) == round(0.05 * 10_500) - 10


def order_of(w):
    return np.argsort(-np.abs(w), axis=None)
