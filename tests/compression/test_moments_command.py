"""`jaxcomp compress --moments`: compression by what another program collected."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxcomp
from jaxcomp.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkpoint in the layout of PyTorch, and its moments."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 30)) @ rng.normal(size=(30, 30)) + 1
    arrays = {
        "layer.weight": rng.normal(size=(20, 30)).astype(np.float32),
        "layer.bias": rng.normal(size=20).astype(np.float32),
        "other.weight": rng.normal(size=(5, 20)).astype(np.float32),
    }
    save_file(arrays, "model.safetensors", metadata={"format": "pt"})
    moments = {
        "layer.weight:second": x.T @ x / len(x),
        "layer.weight:mean": x.mean(axis=0),
        "layer.weight:bias": np.array("layer.bias"),
        "layer.weight:sensitivities": rng.uniform(0.01, 0.1, size=20),
    }
    np.savez("moments.npz", **moments)
    return tmp_path


def test_a_checkpoint_of_another_framework(folder, capsys):
    command = ["compress", "model.safetensors", "-o", "small.jxc", "--moments", "moments.npz"]
    assert main([*command, "--max-kl", "0.5", "--report", "report.json"]) == 0
    printed = capsys.readouterr()
    assert "predicted from the moments; a bit was worth" in printed.out
    assert "no moments, and stored exactly: 'other.weight'" in printed.out
    report = json.loads((folder / "report.json").read_text())
    assert report["calibrated"]["lost"] <= 0.5
    assert report["bytes"] == (folder / "small.jxc").stat().st_size
    levels = np.unique(np.abs(jaxcomp.load("small.jxc")["layer.weight"]))
    assert len(levels) < 60
    # It is as the formula says, with the mean handed to the bias.
    moments, small = dict(np.load("moments.npz")), jaxcomp.load("small.jxc")
    before = jaxcomp.checkpoints.open_checkpoint("model.safetensors")
    with before as checkpoint:
        arrays = {entry.name: checkpoint.load(entry) for entry in checkpoint.entries}
    error = (arrays["layer.weight"] - small["layer.weight"]).astype(np.float64)
    mean = moments["layer.weight:mean"]
    centered = moments["layer.weight:second"] - np.outer(mean, mean)
    lost = 0.5 * np.einsum(
        "oi,ij,oj,o->", error, centered, error, moments["layer.weight:sensitivities"]
    )
    np.testing.assert_allclose(lost, report["calibrated"]["lost"], rtol=1e-4)
    handed = error @ mean
    np.testing.assert_allclose(
        small["layer.bias"] - arrays["layer.bias"], handed, atol=np.abs(handed).max() / 60 + 0.02
    )


def test_prices_that_are_tried_are_shown_on_a_terminal(folder, capsys, monkeypatch):
    command = ["compress", "model.safetensors", "-o", "small.jxc", "--moments", "moments.npz"]
    assert main([*command, "--lambda", "1e-3"]) == 0
    assert "a bit at" not in capsys.readouterr().err
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main([*command, "--lambda", "1e-3"]) == 0
    assert "a bit at 0.001: loss" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "values"), [(["--ternary"], 3), (["--codebook", "5"], 5)])
def test_few_values(folder, option, values):
    command = ["compress", "model.safetensors", "-o", "small.jxc", "--moments", "moments.npz"]
    assert main([*command, "--lambda", "1e-3", *option]) == 0
    small = jaxcomp.load("small.jxc")
    assert len(np.unique(small["layer.weight"])) == values
    assert len(np.unique(small["other.weight"])) == 100  # of which there are no moments


@pytest.mark.slow
def test_a_size(folder):
    command = ["compress", "model.safetensors", "-o", "small.jxc", "--moments", "moments.npz"]
    assert main([*command, "--size", "0.9kB", "--exclude", "other", "--keep-state"]) == 0
    assert (folder / "small.jxc").stat().st_size <= 900


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-kl", "0.1"], "--max-kl and --size need --moments"),
        (["--moments", "moments.npz"], "--moments needs one of --max-kl, --size and --lambda"),
        (["--moments", "moments.npz", "--max-kl", "1", "--bits", "4"], "chooses zeros and steps"),
        (
            ["--moments", "moments.npz", "--max-kl", "1", "--codebook", "2"],
            "must be at least 3 with",
        ),
        (["--moments", "model.safetensors", "--max-kl", "1"], "is no .npz file of moments"),
        (["--moments", "nothing.npz", "--max-kl", "1"], "nothing.npz"),
    ],
)
def test_wrong_use_is_one_line(folder, capsys, options, message):
    assert main(["compress", "model.safetensors", "-o", "small.jxc", *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "small.jxc").exists()


def test_a_size_that_is_none(folder, capsys):
    with pytest.raises(SystemExit):
        main(["compress", "model.safetensors", "-o", "a.jxc", "--size", "a lot"])
    assert "'a lot' is no size: give one such as 300kB or 2MB" in capsys.readouterr().err
