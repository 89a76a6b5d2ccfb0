"""The theorem's prediction for trained networks, in float64, as training converges.

python -m experiments.sweeps.prediction [--seeds 5] [--output FILE.json]

At a stationary point of `f + strength * L` weights obey `|w_i|/c = 1 + (r/strength) s_i df_i` on
the support and `|df_j| <= strength/r` off it. Trains a network of 592 weights on all digits at once
until the shortest subgradient has a length below 1e-10, and compares both sides on the way.
Cost: about a minute for each run on two CPU cores, 10 runs.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.progress import track

from experiments.mistakes import in_one_line
from experiments.report.environment import environment
from jaxcomp import strict_json
from jaxcomp.analysis.composite import agreement, composite_condition
from jaxcomp.analysis.minimize import minimize, subgradient_norm
from jaxcomp.data import Examples, digits

HIDDEN, CLASSES = 8, 10
RIDGE = 1e-3  # part of the data term: the cross-entropy alone has no minimum where it can be 0
WEIGHTS = (0.01, 0.03)


@in_one_line()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Check the composite condition on a network.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("runs/prediction.json"))
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    with jax.enable_x64(True):
        train = digits(0).train
        runs = [
            {"weight": weight, "seed": seed, "path": trace(train, weight, seed)}
            for weight, seed in track([(w, s) for w in WEIGHTS for s in range(options.seeds)])
        ]
    record = {
        "command": f"python -m experiments.sweeps.prediction --seeds {options.seeds}",
        "network": f"tanh, 64-{HIDDEN}-{CLASSES}, without biases; cross-entropy + {RIDGE}/2 |w|^2",
        **environment(),
        "runs": runs,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    strict_json.write(options.output, record, indent=1)
    print(f"{len(runs)} runs are in {options.output}")


def data_term(examples: Examples) -> Callable[[jax.Array], jax.Array]:
    """The loss of the network on all examples, a function of its 592 weights as one vector."""
    inputs = jnp.asarray(examples.inputs.reshape(len(examples.labels), -1), jnp.float64)
    labels = jnp.asarray(examples.labels)

    def loss(w: jax.Array) -> jax.Array:
        first, second = jnp.split(w, [inputs.shape[1] * HIDDEN])
        hidden = jnp.tanh(inputs @ first.reshape(-1, HIDDEN))
        logits = hidden @ second.reshape(HIDDEN, CLASSES)
        entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return entropy + RIDGE / 2 * jnp.sum(w * w)

    return loss


def start(seed: int) -> jax.Array:
    """Initial weights, scaled by their fan-in."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=64 * HIDDEN) / 8, rng.normal(size=HIDDEN * CLASSES)
    return jnp.asarray(np.concatenate([first, second / np.sqrt(HIDDEN)]))


def trace(train: Examples, weight: float, seed: int) -> list[dict[str, Any]]:
    """How well the condition is obeyed at each point on the way to a minimum."""
    loss, path = data_term(train), []
    gradient = jax.jit(jax.grad(loss))
    for w in minimize(start(seed), loss, weight, rate=0.3):
        condition = composite_condition(w[None], gradient(w)[None], weight)
        path.append(
            {
                "subgradient_norm": float(subgradient_norm(w, loss, weight)),
                **agreement(condition)._asdict(),
            }
        )
    return path


if __name__ == "__main__":
    main()
