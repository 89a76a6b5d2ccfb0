"""The benchmark of checkpoints: what is chosen on validation is what is told of the test."""

import json

import numpy as np

from experiments.benchmarks import checkpoints
from experiments.benchmarks.coded import Coded
from experiments.benchmarks.subject import Subject

QUALITY = {"validation": 2.0, "test": 3.0}


def subject():
    """One whose quality is what its parameters say."""
    return Subject(
        "made up",
        {"w": np.zeros(100, np.float32)},
        lambda params, x: x,
        lambda seed, examples: [],
        lambda params, split: QUALITY[split] + float(params["w"][int(split == "test")]),
        "% wrong",
        (0.1, 0.5, 1.0),
    )


def coded(size, validation, test, **setting):
    return Coded(setting, size, {"w": np.array([validation, test])})


def test_the_smallest_file_within_each_loss_on_validation_is_judged_on_test():
    tried = [
        coded(900, 0.05, 0.3, name="a"),
        coded(700, 0.11, 0.0, name="b"),
        coded(600, 0.45, 0.9, name="c"),
        coded(650, 0.01, 0.0, name="d"),
        Coded({"name": "e"}, None, None, "it is not installed"),
    ]
    failed, *rows = checkpoints._chosen(subject(), QUALITY, tried)
    assert failed == {"setting": {"name": "e"}, "bytes": None, "failed": "it is not installed"}
    assert [row["setting"]["name"] for row in rows] == ["d", "c", "c"]
    np.testing.assert_allclose([row["test_loss"] for row in rows], [0.0, 0.9, 0.9])


def test_no_file_is_good_enough():
    rows = list(checkpoints._chosen(subject(), QUALITY, [coded(900, 0.3, 0.3)]))
    assert [row["bytes"] for row in rows] == [None, 900, 900]


def test_rising_prices_end_where_too_much_is_lost():
    seen = []

    def tried():
        for step in range(100):
            seen.append(step)
            yield coded(1000 - step, 0.099 * step, 0.0, trade=float(step))

    rows = list(checkpoints._chosen(subject(), QUALITY, tried()))
    assert max(seen) == 16  # 1.5 times the largest loss, and one more
    assert [row["bytes"] for row in rows] == [999, 995, 990]


def test_the_record(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoints, "load", lambda name: subject())
    monkeypatch.setattr(
        checkpoints, "_tried", lambda method, one, seed, examples: [coded(500 + seed, 0.0, 0.2)]
    )
    arguments = ["checkpoints", "g2p_en", "--draws", "2", "--output", str(tmp_path / "r.json")]
    monkeypatch.setattr("sys.argv", [*arguments, "--methods", "calibrated", "nncodec"])
    checkpoints.main()
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["float32_bytes"] == 400
    rows = [(row["method"], row["draw"], row["bytes"]) for row in record["rows"]]
    expected = [("calibrated", 0, 500), ("calibrated", 1, 501), ("nncodec", 0, 500)]
    assert rows == [row for row in expected for _ in range(3)]
    assert "501" in capsys.readouterr().out
