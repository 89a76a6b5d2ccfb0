"""Makes many steps in one compiled call on data on the device, which is fast on accelerators."""

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
    """Return a compiled function that makes as many steps as it is given batches.

    Each step is that of `jaxcomp.train.make_step` with the same arguments. XLA's convolutions in a
    loop are slow on CPUs (row "in a loop" of `experiments.benchmarks.convolutions`): there, call
    the step from Python.

    Returns:
      A function of three arguments that returns the state after all steps:

      * the state to start from, whose memory is reused;
      * the examples, a tree of arrays with the examples on the first axis;
      * the order, integers of shape [steps, batch size]: the examples of each batch.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.train import init_state, make_scan
      >>> scan = make_scan(lambda params, batch: jnp.mean((params - batch) ** 2), optax.sgd(0.5))
      >>> state = init_state(jnp.array(0.0), optax.sgd(0.5))
      >>> state = scan(state, jnp.array([1.0, 2.0, 6.0]), jnp.array([[0, 1], [1, 2]]))
      >>> float(state.params), int(state.step)  # the mean of the last batch, after two steps
      (4.0, 2)
    """

    def steps(
        key: jax.Array | None, state: TrainState, examples: Any, order: jax.Array
    ) -> TrainState:
        return scanned(make_update(loss, optimizer, key))(state, examples, order)

    return partial(jax.jit(steps, donate_argnums=1), key)  # an argument, as in `make_step`


def scanned(
    update: Callable[[State, Any], State],
) -> Callable[[State, Any, jax.Array], State]:
    """Turn one step on a batch into steps on the batches of an order, whose first axis is steps."""

    def steps(state: State, examples: Any, order: jax.Array) -> State:
        def step(state: State, indices: jax.Array) -> tuple[State, None]:
            batch = jax.tree.map(lambda part: jnp.asarray(part)[indices], examples)
            return update(state, batch), None

        return jax.lax.scan(step, state, order)[0]

    return steps
