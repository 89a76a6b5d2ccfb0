"""The main job from command to files, shortened: the way a user runs it."""

import json
import shutil

import numpy as np
import pytest

import jaxcomp
from experiments.report.commit import commit
from tests.experiments.run.events import scalars
from tests.helpers import run_module

pytestmark = pytest.mark.slow

SHORT = [
    "--config.train.steps=600",
    "--config.penalty.steps=600",
    "--config.finetune.steps=200",
    "--config.quantize.steps=300",
    "--config.settle.steps=100",
    "--config.look_every=100",
    "--config.seed=7",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run, and what it printed."""
    folder = tmp_path_factory.mktemp("main") / "run"
    done = run_module("experiments.main", *SHORT, "--tensorboard", f"--workdir={folder}")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def workdir(run):
    return run[0]


@pytest.fixture(scope="module")
def report(workdir):
    return json.loads((workdir / "report.json").read_text())


def test_the_file_holds_the_ternary_network(workdir, report):
    params = jaxcomp.load(workdir / "model.jxc")
    assert {name: layer["kernel"].shape for name, layer in params.items()} == {
        "Dense_0": (64, 300),
        "Dense_1": (300, 100),
        "Dense_2": (100, 10),
    }
    kernels = [layer["kernel"] for layer in params.values()]
    assert all(len(np.unique(abs(k[k != 0]))) == 1 for k in kernels)
    nonzeros = sum(np.count_nonzero(k) for k in kernels)
    assert nonzeros == report["storage"]["nonzero_weights"] <= round(0.07 * 50_200)
    biases = [layer["bias"] for layer in params.values()]
    assert all(len(np.unique(bias)) <= 31 for bias in biases)


def test_removing_dead_units_does_not_change_the_network(workdir, report):
    params = jaxcomp.load(workdir / "model.jxc")
    into, out_of = params["Dense_0"]["kernel"], params["Dense_1"]["kernel"]
    alive = out_of.any(axis=1)
    assert not into[:, ~alive].any()
    assert not params["Dense_0"]["bias"][~alive].any()
    # Biases of 5 bits are what may differ.
    accuracy = report["validation_accuracy"]
    assert abs(accuracy["quantized"] - accuracy["compressed"]) < 0.02


def test_what_is_read_back_is_what_was_written(workdir, report):
    accuracy = report["test_accuracy"]
    assert accuracy["read_back"] == accuracy["compressed"]
    assert accuracy["dense"] > 0.9
    assert accuracy["compressed"] > 0.8  # fewer steps than the method needs
    again = run_module("experiments.evaluate", str(workdir))
    assert json.loads(again.stdout)["test"]["accuracy"] == accuracy["read_back"]


def test_the_report_has_every_number(workdir, report):
    size = (workdir / "model.jxc").stat().st_size
    storage = report["storage"]
    assert storage["parameters"] == 50_200 + 410
    assert storage["bytes"]["float32"] == 4 * storage["parameters"]
    assert storage["bytes"]["jxc"] == size
    assert size < storage["bytes"]["int8_zstd19"] < storage["bytes"]["float32_zstd19"]
    assert storage["ratio_to_float32"]["jxc"] == 4 * storage["parameters"] / size
    assert storage["bits_per_weight"]["jxc"] == 8 * size / storage["parameters"]
    assert report["seed"] == report["config"]["seed"] == 7
    assert report["commit"] == commit()
    assert "jax" in report["versions"]
    assert report["device"].startswith("cpu")
    phases = [point["phase"] for point in report["history"]]
    assert list(dict.fromkeys(phases)) == ["dense", "penalty", "fine-tune", "quantize", "settle"]
    assert len(phases) == 6 + 6 + 2 + 3 + 1
    penalty = [p["penalty"] for p in report["history"] if p["phase"] == "penalty"]
    assert penalty[-1] < penalty[0]


def test_the_metrics_are_lines_of_json(workdir, report):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == report["history"]


def test_the_screen_shows_the_table(run, report):
    _, shown = run
    for expected in (
        "read back from the file",
        "float32 + zstd-19",
        "int8 + zstd-19",
        f"{report['storage']['bytes']['jxc']:,}",
        f"{report['storage']['bits_per_weight']['jxc']:.3f}",
        f"{report['test_accuracy']['dense']:.4f}",
    ):
        assert expected in shown


def test_the_curves_for_tensorboard_are_the_points_of_the_run(workdir, report):
    found = scalars(workdir)
    losses = [(f"{p['phase']}/loss", p["step"], np.float32(p["loss"])) for p in report["history"]]
    assert [one for one in found if one[0].endswith("/loss")] == losses
    assert {"penalty/penalty", "quantize/validation_accuracy"} <= {tag for tag, _, _ in found}


@pytest.mark.parametrize("name", ["figure.png", "details.png"])
def test_figures_are_images(workdir, name):
    assert (workdir / name).read_bytes().startswith(b"\x89PNG")


def test_training_that_diverges_is_one_line_and_leaves_no_model(tmp_path):
    done = run_module(
        "experiments.main", *SHORT, "--config.train.learning_rate=1e30", f"--workdir={tmp_path}"
    )
    assert done.returncode == 1
    assert "the loss was not finite at step" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model.jxc").exists()


def test_evaluate_names_what_is_missing(tmp_path):
    done = run_module("experiments.evaluate", str(tmp_path))
    assert done.returncode == 2
    assert "give the workdir of a finished run" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", '{"seed": 7, "mod', "config.json is damaged"),
        ("config.json", '{"seed": 7}', "config.json is not a configuration: 'model'"),
        ("model.jxc", "", "model.jxc: not a .jxc file"),
    ],
)
def test_evaluate_names_what_is_damaged(workdir, tmp_path, name, content, message):
    for whole in ("config.json", "model.jxc"):
        shutil.copy(workdir / whole, tmp_path)
    (tmp_path / name).write_text(content)
    done = run_module("experiments.evaluate", str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
