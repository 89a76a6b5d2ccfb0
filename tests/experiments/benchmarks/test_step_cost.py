"""The costs of the transformations are measured; what they are is not tested."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import step_cost
from experiments.benchmarks.paired import in_turns, spread

QUICK = ["--repeats", "2", "--seconds", "0", "--compile-repeats", "1"]
TRANSFORMATIONS = 7


def run(tmp_path, capsys, *arguments: str) -> dict:
    """The record, after a look at its ratios and at what was printed."""
    output = tmp_path / "step_cost.json"
    step_cost.main([*QUICK, *arguments, "--output", str(output)])
    record = json.loads(output.read_text())
    assert record["command"].startswith("python -m experiments.benchmarks.step_cost --repeats 2")
    assert {"versions", "device"} <= set(record)
    for row in record["rows"]:
        values = [row[name] for name in ("ratio", "baseline_milliseconds", "variant_milliseconds")]
        for spread_of in values:
            assert all(math.isfinite(value) and value > 0 for value in spread_of.values())
            assert spread_of["min"] <= spread_of["median"] <= spread_of["max"]
    assert "add_compressibility" in capsys.readouterr().out
    return record


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_updates_and_compilation(tmp_path, capsys):
    sizes = ["--weights", "20000", "--leaves", "3", "1", "--compile-leaves", "3"]
    rows = run(tmp_path, capsys, *sizes, "--models", "none")["rows"]
    assert [row["kind"] for row in rows] == ["update"] * 2 * TRANSFORMATIONS + ["compile"] * 2
    assert [row["leaves"] for row in rows] == [3] * TRANSFORMATIONS + [1] * TRANSFORMATIONS + [3, 3]
    by_name = {row["name"]: row for row in rows[:TRANSFORMATIONS]}
    # Adam reads and writes parameters and both moments, and reads gradients: seven times 4 bytes.
    counted = by_name["add_compressibility"]["bytes"]
    assert counted["baseline"]["accessed"] >= 28 * by_name["add_compressibility"]["parameters"]
    assert counted["variant"]["accessed"] > counted["baseline"]["accessed"]
    pruning = by_name["prune_gradually, every 100"]
    assert pruning["ranks"]["median"] > 0
    assert pruning["holds"]["median"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_step_of_a_network(tmp_path, capsys):
    only = ["--leaves", "--compile-leaves", "0", "--models", "lenet_5_caffe"]
    (step,) = run(tmp_path, capsys, *only)["rows"]
    assert step["kind"] == "step"
    assert step["parameters"] == 431_080


def test_many_updates_in_a_call():
    calls = step_cost._Program(lambda state, by: state + by, jnp.ones(()), (jnp.ones(()),), 5)
    call = calls.work(jnp.full((), 2.0))
    assert float(call()) == 11
    assert float(call()) == 21


def test_tree_of_a_resnet_50():
    tree = step_cost.random_tree(25_557_032, 161)
    assert len(tree) == 161
    assert sum(leaf.size for leaf in jax.tree.leaves(tree)) == 25_557_032


def test_turns():
    calls = []

    def work(name):
        return lambda: calls.append(name) or jnp.zeros(())

    pair = in_turns(work("a"), work("b"), repeats=3, seconds=0)
    assert len(pair.baseline) == len(pair.variant) == 3
    assert "".join(calls[-6:]) == "abbaab"


def test_spread():
    expected = {"min": 1, "lower_quartile": 2, "median": 3, "upper_quartile": 4, "max": 5}
    assert spread(np.array([5.0, 1, 2, 3, 4])) == expected
