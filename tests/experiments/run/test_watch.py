"""What is noted of a run while it trains."""

import json

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

import jaxcomp
from experiments.run.watch import curves_of
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
    return curves_of(accuracies, examples, total_steps, Console(quiet=True), file)


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
    with watching(tmp_path / "metrics.jsonl") as curves:
        curves.watch.look("penalty", lambda state: state.params)(state)
    expected = sum(
        weight * float(penalty_tree(params, name))
        for weight, name in zip(weights, ("l1", "l2"), strict=False)
    )
    (point,) = curves.points
    np.testing.assert_allclose(point["penalty"], expected, rtol=1e-5)
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == point


def test_points_of_a_run_before_are_taken_over_up_to_the_state_that_is_resumed(tmp_path):
    file = tmp_path / "metrics.jsonl"
    rest = {"loss": 0.5, "validation_accuracy": 0.5, "compressibility": 2.0, "penalty": 0.0}
    points = [{"phase": "dense", "step": step, **rest} for step in (0, 1)]
    file.write_text("".join(json.dumps(point) + "\n" for point in points))
    start = init_state(small_params(), optax.sgd(0.0))
    with watching(file, 4) as curves:
        assert curves.watch.resume("dense", start) is start
    assert curves.points == points[:1]
