"""A run that is killed, at whatever moment, ends with the file of one that was not."""

import json
import os
import re
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
    "train.steps": 120,
    "penalty.steps": 120,
    "prune.steps": 80,
    "prune.density": 0.1,
    "distill.weight": 0.5,
    "finetune.steps": 0,
    "quantize.steps": 120,
    "look_every": 10,
}
CHANGES = [f"--config.{key}={value}" for key, value in SHORT.items()]


def begin(workdir, *changes):
    command = ["-m", "experiments.main", *CHANGES, f"--workdir={workdir}"]
    command += ["--checkpoint_seconds=0", *changes]
    return subprocess.Popen(
        [sys.executable, *command],
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
def test_it_is_killed_and_stopped_at_any_moment(undisturbed, tmp_path):
    def goes_on(count, *changes):
        process = begin(tmp_path, *changes)
        wait_for(process, tmp_path, count)
        return process

    kill(goes_on(3))

    # A configuration that differs does not go on from here.
    _, errors = (process := begin(tmp_path, "--config.seed=1")).communicate()
    assert process.returncode == 1
    assert "checkpoints of a run with other values of seed: " in errors
    assert "another --workdir, or delete the folder" in errors

    kill(goes_on(14))

    # On SIGTERM it saves where it is, though the next checkpoint is an hour away.
    process = goes_on(17, "--checkpoint_seconds=3600")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == STOPPED
    step, phase = re.search(
        r"stopped at step (\d+) of the phase '(\w+)': the same command goes on from there", errors
    ).groups()
    assert (tmp_path / CHECKPOINTS / phase / step / "commit_success.txt").is_file()

    kill(goes_on(27))
    assert "quantize" in {path.name for path in tmp_path.glob(f"{CHECKPOINTS}/*")}

    _, errors = (process := begin(tmp_path)).communicate()
    assert process.returncode == 0, errors
    for name in ("model.jxc", "metrics.jsonl"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()
    one, other = (json.loads((f / "report.json").read_text()) for f in (tmp_path, undisturbed))
    assert one["history"] == other["history"]
    assert not (tmp_path / CHECKPOINTS).exists()


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


def test_without_checkpoints_any_configuration_can_begin(tmp_path):
    before = tmp_path / "config.json"
    before.write_text('{"seed": 0}')
    check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 1}')
    (tmp_path / CHECKPOINTS).mkdir()
    check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 0}')
    with pytest.raises(ValueError, match=r"values of a\.b, seed: "):
        check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 1, "a": {"b": 2}}')
