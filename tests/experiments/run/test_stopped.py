"""A run that is stopped outside of its training loop: one line, and nothing half-written."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.run.lock import LOCK_FILE, locked
from experiments.run.same_run import STOPPED
from tests.helpers import ROOT

SHORT = {
    "train.steps": 5,
    "penalty.steps": 5,
    "prune.steps": 5,
    "prune.density": 0.5,  # so that something is left of each tensor after so few steps
    "finetune.steps": 0,
    "quantize.steps": 5,
}
STOPPING = """
import os, sys, threading, time
from pathlib import Path

from absl import app
from matplotlib.figure import Figure

from experiments import main
from experiments.settings.flags import parse_flags
from jaxcomp.codec.stream import MainStream
from jaxcomp.data import DATASETS

where, number = sys.argv.pop(1), int(sys.argv.pop(1))


def stop(*arguments):
    os.kill(os.getpid(), number)
    time.sleep(60)


def stop_drawing(figure, file, **options):
    Path(file).write_bytes(b"half a figure")
    stop()


def stop_child(workdir):
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    return evaluated(workdir)


evaluated = main.evaluated
if where == "reading data":
    DATASETS["digits"] = DATASETS["digits"]._replace(load=stop)
elif where == "writing the file":
    MainStream.finish = stop
elif where == "reading it back":
    main.evaluated = stop_child
else:
    Figure.savefig = stop_drawing
app.run(main.main, flags_parser=parse_flags)
"""
WRITTEN = {
    "reading data": {"config.json"},
    "writing the file": {"config.json", "metrics.jsonl"},
    "reading it back": {"config.json", "metrics.jsonl", "model.jxc"},
    "drawing": {"config.json", "metrics.jsonl", "model.jxc", "report.json"},
}


@pytest.mark.slow
@pytest.mark.usefixtures("signals_not_ignored")
@pytest.mark.parametrize(
    ("where", "number"),
    [
        ("reading data", signal.SIGTERM),
        ("reading data", signal.SIGHUP),
        ("writing the file", signal.SIGHUP),
        ("reading it back", signal.SIGTERM),
        ("drawing", signal.SIGTERM),
    ],
)
def test_a_run_that_is_stopped_leaves_nothing_half_written(tmp_path, where, number):
    flags = [f"--workdir={tmp_path}", *(f"--config.{key}={SHORT[key]}" for key in SHORT)]
    done = subprocess.run(
        [sys.executable, "-c", STOPPING, where, str(int(number)), *flags],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == f"stopped by {number.name}: the same command resumes the run\n"
    assert done.returncode == STOPPED
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert files == WRITTEN[where] | {LOCK_FILE}
    json.loads((tmp_path / "config.json").read_text())
    with locked(tmp_path):
        pass
    assert not any(str(tmp_path) in line for line in running())


def running():
    """The command lines of all processes."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_text()
        except OSError:  # it has ended
            continue
