"""A run that is killed, at whatever moment, ends with the file of one that was not."""

import json
import logging
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
from experiments.run.same_run import STOPPED, check_same_run
from jaxcomp.recipe.progress import Progress
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


def damage(folder):
    """Cut all arrays of a checkpoint off."""
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[:10])


def steps_of(workdir, phase):
    """The checkpoints of a phase that are whole, the last one first."""
    found = (workdir / CHECKPOINTS / phase).glob("*/commit_success.txt")
    return sorted((path.parent for path in found), key=lambda path: -int(path.name))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("undisturbed")
    _, errors = (process := begin(workdir)).communicate()
    assert process.returncode == 0, errors
    return workdir


@pytest.mark.slow
@pytest.mark.usefixtures("signals_not_ignored")
def test_it_is_killed_and_stopped_and_loses_checkpoints_at_any_moment(undisturbed, tmp_path):
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

    kill(goes_on(16))
    last, before = steps_of(tmp_path, "penalty")
    damage(last)

    # On SIGTERM it saves where it is, though the next checkpoint is an hour away.
    process = goes_on(20, "--checkpoint_seconds=3600")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == STOPPED
    assert re.match(
        rf"warning: checkpoints in \S+/penalty are passed over \(step {last.name}: .+\): "
        rf"the one of step {before.name} is used\n",
        errors,
    ), errors
    step, phase = re.search(
        r"stopped at step (\d+) of the phase '(\w+)': the same command goes on from there", errors
    ).groups()
    assert (tmp_path / CHECKPOINTS / phase / step / "commit_success.txt").is_file()

    # Ctrl-C ends it at once, in one line.
    process = goes_on(24)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert errors.splitlines()[-1] == "stopped by SIGINT: the same command resumes the run"
    assert "Traceback" not in errors

    kill(goes_on(27))
    found = steps_of(tmp_path, "quantize")
    assert found
    for folder in found:
        damage(folder)

    _, errors = (process := begin(tmp_path)).communicate()
    assert process.returncode == 0, errors
    assert re.fullmatch(
        r"warning: none of the checkpoints in \S+/quantize can be used \(step .+\): "
        r"the phase 'quantize' begins anew\n",
        errors,
    ), errors
    for name in ("model.jxc", "metrics.jsonl"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()
    one, other = (json.loads((f / "report.json").read_text()) for f in (tmp_path, undisturbed))
    assert one["history"] == other["history"]
    assert not (tmp_path / CHECKPOINTS).exists()


def at(step):
    start = init_state({"kernel": jnp.full((2,), float(step))}, optax.sgd(0.1))
    return start._replace(step=jnp.int32(step))


def test_the_end_of_a_phase_that_was_saved_is_saved(tmp_path):
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


# Orbax leaves reads of the other arrays behind when that of one has failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_phase_with_damaged_checkpoints_alone_begins_anew(tmp_path, caplog):
    with Progress(tmp_path, 0.0) as progress:
        progress.look("good")(at(4))
        for step in (5, 9):
            progress.look("bad")(at(step))
    for step in (5, 9):
        damage(tmp_path / "bad" / str(step))
    with caplog.at_level(logging.WARNING), Progress(tmp_path, 0.0) as progress:
        assert int(progress.resume("good", at(0)).step) == 4
        start = at(0)
        assert progress.resume("bad", start) is start
        progress.look("bad")(at(3))  # of an earlier step than those that are damaged
    (record,) = [one for one in caplog.records if one.name.startswith(("jaxcomp", "experiments"))]
    assert re.search(
        rf"^none of the checkpoints in {tmp_path}/bad can be used \(step 9: .+; step 5: .+\): "
        "the phase 'bad' begins anew$",
        record.getMessage(),
    )
    assert (tmp_path / "bad.unusable" / "9").is_dir()
    with Progress(tmp_path, 0.0) as progress:
        assert int(progress.resume("bad", at(0)).step) == 3


@pytest.mark.slow
def test_a_second_run_in_the_same_folder_ends_at_once(tmp_path):
    first = begin(tmp_path)
    wait_for(first, tmp_path, 1)
    _, errors = (second := begin(tmp_path)).communicate()
    assert second.returncode == 1
    assert re.fullmatch(
        rf"error: process {first.pid} on \S+ is at work in {tmp_path}: [^\n]*--workdir\n", errors
    )
    assert first.poll() is None
    kill(first)
    third = begin(tmp_path)  # the lock is gone with its process
    wait_for(third, tmp_path, 2)
    kill(third)


def test_a_configuration_that_was_cut_off_is_named_with_the_remedy(tmp_path):
    before, checkpoints = tmp_path / "config.json", tmp_path / CHECKPOINTS
    checkpoints.mkdir()
    whole = '{"seed": 0}'
    for content in [*(whole[:size] for size in range(len(whole))), "[]", "3", '"seed"']:
        before.write_text(content)
        with pytest.raises(
            ValueError, match=rf"^{before} is damaged, .*: delete it if .* {checkpoints}"
        ):
            check_same_run(checkpoints, before, whole)


def test_without_checkpoints_any_configuration_can_begin(tmp_path):
    before = tmp_path / "config.json"
    before.write_text('{"seed": 0}')
    check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 1}')
    (tmp_path / CHECKPOINTS).mkdir()
    check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 0}')
    with pytest.raises(ValueError, match=r"values of a\.b, seed: "):
        check_same_run(tmp_path / CHECKPOINTS, before, '{"seed": 1, "a": {"b": 2}}')
