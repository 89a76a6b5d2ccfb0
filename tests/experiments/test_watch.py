"""What is noted of a run while it trains."""

import json

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


@pytest.mark.parametrize(
    ("transforms", "weights"),
    [((), ()), ((L1,), (0.1,)), ((L1, L2), (0.1, 0.3))],
    ids=["none", "one", "two"],
)
def test_the_penalty_is_the_sum_of_all_in_the_chain(transforms, weights, tmp_path):
    examples = Examples(np.zeros((2, 1, 1, 1), np.float32), np.zeros(2, np.int32))
    params, optimizer = small_params(), optax.chain(*transforms, optax.sgd(0.0))
    state = make_step(lambda params, batch: jnp.zeros(()), optimizer)(
        init_state(params, optimizer), None
    )
    metrics = lambda params, batch: {"accuracy": jnp.ones(2)}  # noqa: E731
    console = Console(quiet=True)
    with Watcher(metrics, examples, 1, console, tmp_path / "metrics.jsonl") as watcher:
        watcher.phase("penalty", lambda state: state.params)(state)
    expected = sum(
        weight * float(penalty_tree(params, name))
        for weight, name in zip(weights, ("l1", "l2"), strict=False)
    )
    (point,) = watcher.history
    np.testing.assert_allclose(point["penalty"], expected, rtol=1e-5)
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == point
