"""What is noted of a run while it trains."""

import json
import logging
import math

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

import jaxcomp
from experiments.watch import Watcher
from jaxcomp.data import Examples
from jaxcomp.losses import penalty_tree
from jaxcomp.train import init_state, make_step
from tests.helpers import small_params

pytestmark = pytest.mark.usefixtures("standard_promotion")
L1 = jaxcomp.add_penalty("l1", 0.1)
L2 = jaxcomp.add_penalty("l2", 0.3)


def accuracies(params, batch):
    return {"accuracy": jnp.ones(2)}


def watching(file, total_steps=1):
    examples = Examples(np.zeros((2, 1, 1, 1), np.float32), np.zeros(2, np.int32))
    return Watcher(accuracies, examples, total_steps, Console(quiet=True), file)


@pytest.mark.parametrize(
    ("transforms", "weights"),
    [((), ()), ((L1,), (0.1,)), ((L1, L2), (0.1, 0.3))],
    ids=["none", "one", "two"],
)
def test_the_penalty_is_the_sum_of_all_in_the_chain(transforms, weights, tmp_path):
    params, optimizer = small_params(), optax.chain(*transforms, optax.sgd(0.0))
    state = make_step(lambda params, batch: jnp.zeros(()), optimizer)(
        init_state(params, optimizer), None
    )
    with watching(tmp_path / "metrics.jsonl") as watcher:
        watcher.phase("penalty", lambda state: state.params)(state)
    expected = sum(
        weight * float(penalty_tree(params, name))
        for weight, name in zip(weights, ("l1", "l2"), strict=False)
    )
    (point,) = watcher.history
    np.testing.assert_allclose(point["penalty"], expected, rtol=1e-5)
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == point


def test_points_of_a_run_before_stay_until_their_phase_begins(tmp_path):
    file = tmp_path / "metrics.jsonl"
    rest = {"loss": 0.5, "validation_accuracy": 0.5, "compressibility": 2.0, "penalty": 0.0}
    of_dense, of_penalty = (
        [{"phase": phase, "step": step, **rest} for step in (1, 2)]
        for phase in ("dense", "penalty")
    )

    def lines():
        return [json.loads(line) for line in file.read_text().splitlines()]

    text = "".join(json.dumps(point) + "\n" for point in (*of_dense, *of_penalty))
    file.write_text(text + '{"phase": "pen')  # killed while it wrote
    with watching(file, 4):
        pass  # killed again, before it has come anywhere
    with watching(file, 4) as watcher:
        watcher.go_on("dense", 2)
        assert lines() == [*of_dense, *of_penalty]
        watcher.go_on("penalty", 1)
        assert lines() == watcher.history == [*of_dense, of_penalty[0]]


def test_damaged_lines_are_left_out_and_numbers_that_are_not_finite_stay(tmp_path, caplog):
    file = tmp_path / "metrics.jsonl"
    point = {"phase": "dense", "step": 1, "validation_accuracy": 0.5, "penalty": math.nan}
    with watching(file, 4) as watcher:
        watcher._add(point)
    (line,) = file.read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail)["penalty"] is None
    damaged = [b"\0" * 40, b"\xff\xfe", b'{"phase": "den', b"[1]", b'{"step": 3}']
    file.write_bytes(b"\n".join([line.encode(), *damaged, line.encode(), b""]))
    with caplog.at_level(logging.WARNING, "experiments"), watching(file, 4) as watcher:
        watcher.go_on("dense", 2)
    assert f"{file}: 5 of 7 lines are damaged" in caplog.text
    assert [one["step"] for one in watcher.history] == [1, 1]
    assert all(math.isnan(one["penalty"]) for one in watcher.history)
