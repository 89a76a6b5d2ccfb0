"""The path of penalty weights, shortened: heavier penalties give smaller files."""

import json
import sys

import numpy as np
import pytest

from experiments.sweeps import path


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
