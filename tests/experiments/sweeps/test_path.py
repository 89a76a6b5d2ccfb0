"""The path of penalty weights, shortened: heavier penalties give smaller files."""

import json
import sys

import jax
import numpy as np
import pytest

from experiments.sweeps import path
from jaxcomp.data import digits
from jaxcomp.models import LeNet300100


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_heavier_penalties_give_smaller_files(tmp_path, monkeypatch, capsys):
    words = ["--seeds=2", "--steps=100", f"--workdir={tmp_path}", "--weights", "0", "0.03", "0.3"]
    monkeypatch.setattr(sys, "argv", ["path", *words])
    path.main()
    assert "means over the seeds" in capsys.readouterr().out
    rows = json.loads((tmp_path / "record.json").read_text())["rows"]
    assert [row["weight"] for row in rows] == [0, 0.03, 0.3]
    for key in ("bytes", "nonzero_weights", "compressibility"):
        means = [row[key]["mean"] for row in rows]
        assert means[0] > means[1] > means[2]
        assert all(len(row[key]["values"]) == 2 for row in rows)
        assert len(np.unique(rows[0][key]["values"])) == 2  # the seeds differ
    assert rows[0]["validation_error_float"]["mean"] < 15
    assert (tmp_path / "figure.png").is_file()


@pytest.mark.parametrize("wrong", [("--seeds=0",), ("--weights", "0.1", "-1")])
def test_wrong_use(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["path", *wrong])
    with pytest.raises(SystemExit) as stop:
        path.main()
    assert stop.value.code == 2
    assert "must be" in capsys.readouterr().err


@pytest.mark.parametrize("data", ["imagenet2012", "sonnets"])
def test_data_that_the_network_cannot_read_are_no_choice(data, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["path", f"--data={data}"])
    with pytest.raises(SystemExit) as stop:
        path.main()
    assert stop.value.code == 2
    assert "choose from" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_networks_that_diverge_are_counted():
    params, diverged = path.train(LeNet300100(), digits(0), "l1", [0.0, 1e38], seeds=2, steps=2)
    assert diverged.tolist() == [0, 2]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
