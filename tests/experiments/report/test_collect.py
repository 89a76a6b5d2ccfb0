"""One record of several runs."""

import sys

import pytest

from experiments.report.collect import collect, main


def report(seed, accuracy, steps=10):
    return {
        "config": {"seed": seed, "steps": steps},
        "seed": seed,
        "commit": "abc",
        "versions": {"jax": "1"},
        "python": "3",
        "device": "cpu",
        "test_examples": 360,
        "test_accuracy": {"compressed": accuracy},
        "test_bits": {"compressed": 1 - accuracy},
        "storage": {
            "weights": 50,
            "nonzero_weights": 5,
            "bytes": {"jxc": 100 * seed},
            "ratio_to_float32": {"jxc": 40.0},
            "bits_per_weight": {"jxc": 0.7},
        },
        "validation_accuracy": {"quantized": 0.9, "compressed": 0.9},
        "seconds": 30.0,
    }


def test_mean_minimum_and_maximum_over_the_seeds():
    record = collect([report(2, 0.75), report(1, 0.5)])
    assert list(record["seeds"]) == ["1", "2"]
    assert record["seeds"]["2"]["bytes_jxc"] == 200
    statistics = [record[name]["test_accuracy_compressed"] for name in ("mean", "min", "max")]
    assert statistics == [0.625, 0.5, 0.75]
    assert record["min"]["test_bits_compressed"] == 0.25
    assert record["config"] == {"seed": None, "steps": 10}


def test_runs_of_different_experiments_are_not_mixed():
    with pytest.raises(ValueError, match="differ in their config"):
        collect([report(1, 0.5), report(2, 0.5, steps=20)])


def test_a_seed_counts_once():
    with pytest.raises(ValueError, match=r"twice: \[1, 1\]"):
        collect([report(1, 0.5), report(1, 0.5)])


def test_a_number_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match="test_bits_compressed of seed 1 is not finite"):
        collect([report(2, 0.5), {**report(1, 0.5), "test_bits": {"compressed": None}}])


def test_a_report_that_was_cut_off_is_named(tmp_path, monkeypatch):
    (tmp_path / "report.json").write_text('{"seed": 1, "conf')
    monkeypatch.setattr(sys, "argv", ["collect", str(tmp_path)])
    with pytest.raises(
        SystemExit, match=rf"{tmp_path}/report\.json is damaged.*make the run again"
    ):
        main()
