"""What logging costs: the measures of a network against a training step of it.

python -m experiments.benchmarks.measures

LeNet-300-100 on 28 x 28 images, batches of 128, Adam. Prints one line of JSON: medians in
milliseconds, and the cost of a look at the measures every 100 steps, as a share of the training.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import jaxcomp
from experiments.report.environment import environment
from experiments.training.objective import cross_entropy
from jaxcomp import strict_json
from jaxcomp.analysis.measures import measures
from jaxcomp.data import Examples
from jaxcomp.models import MODELS
from jaxcomp.train import init_state, make_step

EVERY, REPEATS = 100, 50


def main() -> None:
    """The command."""
    model = MODELS["lenet_300_100"]()
    images = jax.random.uniform(jax.random.key(0), (128, 28, 28, 1))
    batch = Examples(images, jnp.arange(128) % 10)
    params = model.init(jax.random.key(1), images)["params"]
    optimizer = optax.chain(jaxcomp.add_compressibility(1e-3), optax.adam(1e-3))
    plain, penalized = (
        make_step(cross_entropy(model.apply), tx) for tx in (optax.adam(1e-3), optimizer)
    )
    step = _median(plain, init_state(params, optax.adam(1e-3)), batch)
    step_with_penalty = _median(penalized, init_state(params, optimizer), batch)
    look = _median(lambda _: measures(params), None)
    print(
        strict_json.dumps(
            {
                "step_ms": round(step, 3),
                "step_with_penalty_ms": round(step_with_penalty, 3),
                "measures_ms": round(look, 3),
                "penalty_over_step": round(step_with_penalty / step, 3),
                "measures_over_step": round(look / step_with_penalty, 3),
                f"share_of_training_every_{EVERY}": round(look / (EVERY * step_with_penalty), 4),
                **environment(),
            }
        )
    )


def _median(function: Callable, state: Any, *arguments: Any) -> float:
    """Median time of a call in milliseconds, from state to state, without the first ones."""
    times = []
    for _ in range(REPEATS + 5):
        begin = time.perf_counter()
        state = jax.block_until_ready(function(state, *arguments))
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times[5:])


if __name__ == "__main__":
    main()
