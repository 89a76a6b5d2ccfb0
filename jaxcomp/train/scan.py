"""Many steps in one compiled call, with the data on the device: the fast form on accelerators."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax

from jaxcomp.train.step import TrainState, make_update

State = TypeVar("State")


def make_scan(
    loss: Callable[..., jax.Array],
    optimizer: optax.GradientTransformation,
    key: jax.Array | None = None,
) -> Callable[[TrainState, Any, jax.Array], TrainState]:
    """A compiled function that makes as many steps as it is given batches.

    Each step is that of `jaxcomp.train.make_step` with the same arguments. Convolutions in a loop
    of XLA are slow on CPUs (row "in a loop" of `experiments.benchmarks.convolutions`): there, call
    the step from Python.

    Returns:
      A function of a state, whose memory is given away; the examples, a tree of arrays with the
      examples on the first axis; and `order`, integers of shape [steps, batch size], which
      examples are in each batch. It gives the state after all these steps.
    """

    def steps(
        key: jax.Array | None, state: TrainState, examples: Any, order: jax.Array
    ) -> TrainState:
        return scanned(make_update(loss, optimizer, key))(state, examples, order)

    return partial(jax.jit(steps, donate_argnums=1), key)  # an argument as in `make_step`


def scanned(
    update: Callable[[State, Any], State],
) -> Callable[[State, Any, jax.Array], State]:
    """Make of one step on a batch steps on the batches of an order, whose first axis is steps."""

    def steps(state: State, examples: Any, order: jax.Array) -> State:
        def step(state: State, indices: jax.Array) -> tuple[State, None]:
            batch = jax.tree.map(lambda part: jnp.asarray(part)[indices], examples)
            return update(state, batch), None

        return jax.lax.scan(step, state, order)[0]

    return steps
