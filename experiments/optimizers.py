"""The optimizer of a phase, and its learning rate."""

from collections.abc import Callable
from functools import partial

import optax

Optimizer = Callable[[optax.Schedule], optax.GradientTransformation]  # from its learning rate

# By the name that a configuration gives.
OPTIMIZERS: dict[str, Optimizer] = {
    "adam": optax.adam,
    "sgd": partial(optax.sgd, momentum=0.9, nesterov=True),
}


def constant_then_cosine(rate: float, constant_steps: int, steps: int) -> optax.Schedule:
    """A rate that is constant for `constant_steps`, then falls to zero at `steps`."""
    return optax.join_schedules(
        [
            optax.constant_schedule(rate),
            optax.cosine_decay_schedule(rate, max(1, steps - constant_steps)),
        ],
        [constant_steps],
    )
