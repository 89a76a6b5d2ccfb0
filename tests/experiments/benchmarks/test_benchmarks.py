"""Benchmarks run; what they measure is not tested, since machines differ."""

import json

import pytest

from experiments.benchmarks import measures


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_measures(monkeypatch, capsys):
    monkeypatch.setattr(measures, "REPEATS", 1)
    measures.main()
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["step_ms"] > 0
    assert numbers["measures_over_step"] > 0
