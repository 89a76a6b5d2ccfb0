"""Curves for TensorBoard: what the event file holds, and a machine without the package."""

import sys

import pytest

from experiments.run.tensorboard import TensorBoard
from tests.experiments.run.events import scalars


def test_each_phase_has_its_curves(tmp_path):
    with TensorBoard(tmp_path) as add:
        add({"phase": "dense", "step": 50, "loss": 0.5})
        add({"phase": "penalty", "step": 50, "loss": 0.25, "penalty": 2.0})
    assert scalars(tmp_path) == [
        ("dense/loss", 50, 0.5),
        ("penalty/loss", 50, 0.25),
        ("penalty/penalty", 50, 2.0),
    ]


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install .jaxcomp\[tensorboard\]"):
        TensorBoard(tmp_path)
