"""What the benchmark of checkpoints chooses, and that it goes on where it was stopped."""

import json
import sys

import numpy as np
import pytest

from experiments.benchmarks import checkpoint_networks, checkpoints
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.subject import Subject
from experiments.report import checkpoint_table
from tests.helpers import RESULTS


@pytest.fixture
def tried(monkeypatch):
    """Ways that were tried; quality is the number that the parameters are, and 10 % on the test."""
    calls = []

    def quality(params, split):
        return float(params["w"][0]) * (1.1 if split == "test" else 1.0)

    subject = Subject(
        "one", {"w": np.ones(1, np.float32)}, None, None, quality, "things", (0.1, 0.5, 1.0)
    )

    def coded(method, subject, seed, examples):
        calls.append((method, seed))
        for size, lost in ((90, 0.05), (70, 0.3), (80, 0.2), (50, 2.0), (10, 0.0)):
            yield Coded({"trade": size}, size, {"w": np.array([1 + lost])})

    monkeypatch.setattr(checkpoints, "load", lambda name: subject)
    monkeypatch.setattr(checkpoints, "_tried", coded)
    return calls


def run(monkeypatch, path, *options):
    command = ["checkpoints", "transformer", "--output", str(path), *options]
    monkeypatch.setattr(sys, "argv", command)
    checkpoints.main()
    return json.loads(path.read_text())["rows"]


def test_the_fewest_bytes_within_each_loss(tried, monkeypatch, tmp_path):
    rows = run(monkeypatch, tmp_path / "a.json", "--methods", "calibrated", "--draws", "1")
    # After the first that loses far more than is asked for, no more are looked at.
    assert [(row["loss"], row["bytes"]) for row in rows] == [(0.1, 90), (0.5, 70), (1.0, 70)]
    assert rows[1]["test_loss"] == pytest.approx(1.1 * 0.3)


def test_methods_without_a_choice_have_a_row_for_each_form(tried, monkeypatch, tmp_path):
    files = [
        Coded({"stored": "a"}, 90, {"w": np.array([1.5])}),
        Coded({"stored": "b"}, None, None, "too little memory"),
        Coded({"stored": "c"}, 60, {"w": np.array([3.0])}),
    ]
    monkeypatch.setattr(checkpoints, "_tried", lambda *arguments: files)
    rows = run(monkeypatch, tmp_path / "a.json", "--methods", "plain")
    assert [(row["setting"]["stored"], row["bytes"]) for row in rows] == [
        ("a", 90),
        ("b", None),
        ("c", 60),
    ]
    assert rows[0]["validation_loss"] == pytest.approx(0.5)
    assert rows[2]["test_loss"] == pytest.approx(1.1 * 2)
    assert rows[1]["failed"] == "too little memory"


def test_it_goes_on_where_it_was_stopped(tried, monkeypatch, tmp_path, capsys):
    path = tmp_path / "a.json"
    first = run(monkeypatch, path, "--methods", "calibrated", "--draws", "1")
    rows = run(monkeypatch, path, "--methods", "calibrated", "data_free", "--draws", "2")
    assert tried == [("calibrated", 0), ("calibrated", 1), ("data_free", 0)]
    assert rows[:3] == first
    assert len(rows) == 9
    assert capsys.readouterr().out.count("data_free") == 3
    # Rows of another network are not taken for those of this one.
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"dense": {"validation": 2, "test": 2}}))
    with pytest.raises(ValueError, match="is of another network"):
        run(monkeypatch, path)


def test_the_table_and_the_figure(tried, monkeypatch, tmp_path):
    path = tmp_path / "checkpoint_transformer.json"
    run(monkeypatch, path, "--methods", "calibrated", "data_free", "--draws", "2")
    record = json.loads(path.read_text())
    for row in record["rows"]:  # twice as large without calibration, and one that never got there
        if row["method"] == "data_free":
            row["bytes"] = None if row["loss"] == 0.1 else 2 * row["bytes"]
        elif row["draw"] == 1:
            row["bytes"] += 10
    path.write_text(json.dumps(record))
    records = checkpoint_table.records_in(tmp_path)
    assert list(records) == ["transformer"]
    assert list(checkpoint_table.rows(records)) == [
        ("transformer, +0.1", "-", "-", "**95** (90 to 100)", "2", "-", "-"),
        ("transformer, +0.5", "140", "-", "**75** (70 to 80)", "2", "46 %", "-"),
        ("transformer, +1", "140", "-", "**75** (70 to 80)", "2", "46 %", "-"),
    ]
    (axes,) = checkpoint_table.draw(records).axes
    assert axes.get_xlabel() == "loss of quality,\nthings"
    assert len(axes.containers[-1].lines[0].get_xdata()) == 3


def test_the_table_of_forms():
    rows = [
        {"method": "plain", "setting": {"stored": "float32_zstd19"}, "bytes": 90, "test_loss": 0.0},
        {"method": "plain", "setting": {"stored": "int8_zstd19"}, "bytes": 20, "test_loss": 0.0123},
        {"method": "qwix", "setting": {"levels": "int8"}, "bytes": None, "failed": "no module"},
        {
            "method": "qwix",
            "setting": {"levels": "int4", "stored": "jxc"},
            "bytes": 12_000,
            "test_loss": -0.5,
        },
    ]
    [(name, float32, *cells)] = checkpoint_table.form_rows(
        {"one": {"float32_bytes": 4000, "rows": rows}}
    )
    assert (name, float32) == ("one", "4,000")
    assert cells == ["90", "-", "20 (+0.012)", "fails", "fails", "-", "12,000 (-0.5)"]


def test_files_are_a_quarter_to_two_thirds_smaller_as_the_readme_says():
    records = checkpoint_table.records_in(RESULTS)
    assert len(records) == 6
    shares = []
    for record in records.values():
        for loss in checkpoint_table.losses_of(record):
            own = checkpoint_table.bytes_of(record, "calibrated", loss)
            for method in ("data_free", "nncodec"):
                other = checkpoint_table.bytes_of(record, method, loss)
                if other is not None:  # it gets there
                    shares.append(1 - own.mean / other.mean)
    assert 0.25 < min(shares) < 0.35
    assert 0.65 < max(shares) < 0.7


def test_the_networks_of_the_table_are_those_that_are_measured():
    assert tuple(checkpoint_networks.SUBJECTS) == checkpoint_table.NETWORKS
