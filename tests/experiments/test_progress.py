"""A run that is killed, at whatever moment, ends with the file of one that was not."""

import json
import os
import signal
import subprocess
import sys
import time

import jax.numpy as jnp
import optax
import pytest

from experiments.main import CHECKPOINTS
from experiments.progress import STOPPED, Progress, check_same_run
from jaxcomp.train import init_state

SHORT = {
    "train.steps": 300,
    "penalty.steps": 300,
    "prune.steps": 200,
    "prune.density": 0.1,
    "distill.weight": 0.5,
    "finetune.steps": 0,
    "quantize.steps": 300,
    "look_every": 25,
}
CHANGES = [f"--config.{key}={value}" for key, value in SHORT.items()]


def begin(workdir, *changes):
    command = ["-m", "experiments.main", *CHANGES, f"--workdir={workdir}", *changes]
    return subprocess.Popen(
        [sys.executable, *command, "--checkpoint_seconds=0"],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def points(workdir):
    """How often the run has been looked at."""
    path = workdir / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_for(process, workdir, count):
    while points(workdir) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def kill(process):
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    _, errors = (process := begin(workdir)).communicate()
    assert process.returncode == 0, errors
    return workdir


@pytest.mark.slow
def test_it_is_killed_and_killed_again(undisturbed, tmp_path):
    for count, phases in ((1, set()), (15, {"penalty"}), (26, {"quantize"})):
        process = begin(tmp_path)
        wait_for(process, tmp_path, count)
        kill(process)
        assert phases <= {path.name for path in tmp_path.glob(f"{CHECKPOINTS}/*")}
    _, errors = (process := begin(tmp_path)).communicate()
    assert process.returncode == 0, errors
    for name in ("model.jxc", "metrics.jsonl"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()
    one, other = (json.loads((f / "report.json").read_text()) for f in (tmp_path, undisturbed))
    assert one["history"] == other["history"]
    assert not (tmp_path / CHECKPOINTS).exists()


@pytest.mark.slow
def test_sigterm_saves_and_exits_with_a_status_of_its_own(undisturbed, tmp_path):
    process = begin(tmp_path, "--checkpoint_seconds=3600")
    wait_for(process, tmp_path, 14)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == STOPPED
    assert "stopped at step" in errors
    assert "of the phase 'penalty': the same command goes on from there" in errors
    assert len(list((tmp_path / CHECKPOINTS).rglob("commit_success.txt"))) >= 1
    _, errors = (process := begin(tmp_path)).communicate()
    assert process.returncode == 0, errors
    assert (tmp_path / "model.jxc").read_bytes() == (undisturbed / "model.jxc").read_bytes()


def test_the_end_of_a_phase_that_was_saved_is_saved(tmp_path):
    def at(step):
        start = init_state({"kernel": jnp.full((2,), float(step))}, optax.sgd(0.1))
        return start._replace(step=jnp.int32(step))

    with Progress(tmp_path, 0.0) as progress:
        progress.look("long")(at(5))
        progress.done("long", at(7))
        progress.look("watched to its end")(at(9))
        progress.done("watched to its end", at(9))
        progress.done("short", at(3))
    with Progress(tmp_path, 3600.0) as progress:
        for phase, step in (("long", 7), ("watched to its end", 9), ("short", 0)):
            state = progress.resume(phase, at(0))
            assert (int(state.step), state.params["kernel"].tolist()) == (step, 2 * [step])
        progress.done("long", at(7))  # of which nothing was made


@pytest.mark.slow
def test_another_configuration_does_not_go_on(tmp_path):
    process = begin(tmp_path)
    wait_for(process, tmp_path, 3)
    kill(process)
    _, errors = (process := begin(tmp_path, "--config.seed=1")).communicate()
    assert process.returncode == 1
    assert "checkpoints of a run with other values of seed: " in errors
    assert "another --workdir, or delete the folder" in errors


def test_without_checkpoints_any_configuration_can_begin(tmp_path):
    before = tmp_path / "config.json"
    before.write_text('{"seed": 0}')
    check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 1}')
    (tmp_path / CHECKPOINTS).mkdir()
    check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 0}')
    with pytest.raises(ValueError, match=r"values of a\.b, seed: "):
        check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 1, "a": {"b": 2}}')
