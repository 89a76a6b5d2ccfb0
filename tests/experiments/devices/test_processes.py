"""A run that two processes make together, on their devices, is that of one process."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from experiments.devices import processes
from experiments.run.same_run import STOPPED
from tests.helpers import ROOT

SHORT = {
    "data.shift": 1,  # by random keys
    "train.steps": 50,
    "penalty.steps": 100,
    "penalty.learning_rate": 0.01,
    "prune.steps": 50,
    "prune.density": 0.1,
    "finetune.steps": 0,
    "quantize.steps": 50,
    "look_every": 25,
    "mesh.data": -1,
}


def begin(workdir, devices, *flags, **variables):
    changes = [f"--config.{key}={value}" for key, value in SHORT.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.main", *changes, f"--workdir={workdir}", *flags],
        cwd=ROOT,
        env={
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port(*choices):
    for port in choices:
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return free.getsockname()[1]
    raise AssertionError("no port is free")


def begin_by_hand(workdir, *flags):
    flags = *flags, f"--coordinator=127.0.0.1:{free_port(0)}", "--processes=2"
    return [begin(workdir, 2, *flags, f"--process={number}") for number in (0, 1)]


def begin_by_slurm(workdir):
    # The port is 61,440 + number of the job.
    job = {"SLURM_JOB_ID": str(free_port(*range(61_441, 65_535)) - 61_440)}
    job |= {"SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_NUM_NODES": "1", "SLURM_NTASKS": "2"}
    return [
        begin(workdir, 2, "--cluster", **job, SLURM_PROCID=number, SLURM_LOCALID=number)
        for number in ("0", "1")
    ]


def ends(run):
    """What each process of a run has printed, and its status."""
    outputs = [process.communicate(timeout=300) for process in run]
    return outputs, [process.returncode for process in run]


def wait_for_points(run, workdir, count):
    metrics = workdir / "metrics.jsonl"
    while not metrics.exists() or len(metrics.read_text().splitlines()) < count:
        assert run[0].poll() is None, run[0].stderr.read()
        time.sleep(0.01)


@pytest.mark.slow
def test_two_processes_are_stopped_go_on_and_write_the_file_of_one(tmp_path):
    together, alone = tmp_path / "together", tmp_path / "alone"
    run = begin_by_hand(together)
    wait_for_points(run, together, 3)
    run[1].send_signal(signal.SIGTERM)  # to one of them; the other one stops too
    outputs, statuses = ends(run)
    assert statuses == [STOPPED, STOPPED], outputs
    assert "stopped at step" in outputs[0][1]

    (shown, silent), statuses = ends(begin_by_slurm(together))
    assert statuses == [0, 0], (shown, silent)
    assert "model.jxc" in shown[0]
    assert "model.jxc" not in silent[0]

    _, statuses = ends([begin(alone, 4)])
    assert statuses == [0]
    one, other = (json.loads((f / "report.json").read_text()) for f in (together, alone))
    steps = [[(point["phase"], point["step"]) for point in r["history"]] for r in (one, other)]
    assert steps[0] == steps[1]
    for point, same in zip(one["history"], other["history"], strict=True):
        assert point["compressibility"] == pytest.approx(same["compressibility"], rel=1e-3)
    assert one["storage"]["nonzero_weights"] == other["storage"]["nonzero_weights"] > 1_000
    assert one["storage"]["bytes"]["jxc"] == pytest.approx(
        other["storage"]["bytes"]["jxc"], rel=0.02
    )


@pytest.mark.slow
def test_two_more_processes_in_the_same_workdir_end_at_once(tmp_path):
    first = begin_by_hand(tmp_path, "--config.train.steps=1000000")
    second = []
    try:
        wait_for_points(first, tmp_path, 1)
        second = begin_by_hand(tmp_path, "--config.train.steps=1000000")
        outputs, statuses = ends(second)
        assert [process.poll() for process in first] == [None, None]
    finally:
        for process in first + second:
            process.kill()
    ends(first)
    assert statuses == [1, 1], outputs
    holder = rf"error: process {first[0].pid} on \S+ is at work in {tmp_path}: [^\n]*--workdir\n"
    assert re.fullmatch(holder, outputs[0][1]), outputs
    assert outputs[1][1] == f"error: {tmp_path} is not free: the first process says why\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"coordinator": "host:1"}, "need --coordinator, --processes and --process, all three"),
        (
            {"coordinator": "host:1", "processes": 2, "process": 0, "cluster": True},
            "--cluster alone",
        ),
        ({"coordinator": "host:1", "processes": 2, "process": 2}, "counted from 0 to 1"),
        ({"coordinator": "host", "processes": 2, "process": 1}, "=host: give HOST:PORT"),
        ({"cluster": True}, "the environment does not say who the other processes are"),
    ],
)
def test_processes_that_cannot_meet_are_told_why(flags, message):
    with pytest.raises(processes.JoinError, match=message):
        processes.join(**flags)
