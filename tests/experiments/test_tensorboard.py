"""Curves for TensorBoard: what the event file holds, and a machine without the package."""

import struct
import sys

import pytest
from tensorboardX.proto.event_pb2 import Event

from experiments.tensorboard import TensorBoard
from tests.helpers import run_module


def scalars(folder):
    """All (tag, step, value) of the one event file: records of length, checksum, data, checksum."""
    (file,) = folder.glob("events.out.tfevents.*")
    data, found = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
        data = data[16 + length :]
    return found


def test_each_phase_has_its_curves(tmp_path):
    with TensorBoard(tmp_path) as add:
        add({"phase": "dense", "step": 50, "loss": 0.5})
        add({"phase": "penalty", "step": 50, "loss": 0.25, "penalty": 2.0})
    assert scalars(tmp_path) == [
        ("dense/loss", 50, 0.5),
        ("penalty/loss", 50, 0.25),
        ("penalty/penalty", 50, 2.0),
    ]


@pytest.mark.slow
def test_the_command_writes_the_points_of_the_run(tmp_path):
    phases = ("train", "penalty", "finetune", "quantize")
    short = [f"--config.{phase}.steps=20" for phase in phases]
    done = run_module("experiments.main", "--tensorboard", f"--workdir={tmp_path}", *short)
    assert done.returncode == 0, done.stderr
    tags = {tag for tag, _, _ in scalars(tmp_path)}
    assert {"dense/loss", "penalty/penalty", "quantize/validation_accuracy"} <= tags


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install .jaxcomp\[tensorboard\]"):
        TensorBoard(tmp_path)
