"""Many small networks in one compiled program: each of several seeds with each of several weights.

One small network leaves most of an accelerator idle; a grid of them is trained in about the time of
one. The data lie on the device, and many steps are one call.
"""

from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxcomp.train.scan import scanned
from jaxcomp.train.step import TrainState, init_state, make_update

PyTree = Any


def init_many(
    params: PyTree, optimizer: optax.GradientTransformation, weights: jax.Array
) -> TrainState:
    """States of shape [seeds, weights, ...] from parameters of shape [seeds, ...]."""
    by_weight = jax.vmap(lambda params, weight: init_state(params, optimizer), (None, 0))
    return jax.vmap(by_weight, (0, None))(params, weights)


def make_many(
    loss: Callable[[PyTree, Any, jax.Array], jax.Array], optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Any, jax.Array, jax.Array], TrainState]:
    """A compiled function that makes many steps with many networks.

    Networks of one seed see the same batches. Where a loss is not finite, its state says so in
    `first_bad_step`; the others are not touched by it. Convolutions in a loop of XLA are slow on
    CPUs (row "in a loop" of `experiments.benchmarks.convolutions`): there, train such networks one
    by one.

    Args:
      loss: of parameters, a batch and a weight, such as `f(params, batch) + weight * P(params)`.
      optimizer: any.

    Returns:
      A function of states (`init_many`), whose memory is given away; the examples, a tree of arrays
      with the examples on the first axis; `order`, integers of shape [steps, seeds, batch size],
      which examples are in each batch; and the weights, of shape [weights]. It gives the states
      after all these steps.
    """
    update = make_update(lambda params, batch: loss(params, *batch), optimizer)
    by_weight = jax.vmap(update, (0, (None, 0)))
    by_seed = jax.vmap(by_weight, (0, (0, None)))

    def train(
        states: TrainState, examples: Any, order: jax.Array, weights: jax.Array
    ) -> TrainState:
        steps = scanned(lambda states, batches: by_seed(states, (batches, weights)))
        return steps(states, examples, order)

    return jax.jit(train, donate_argnums=0)
