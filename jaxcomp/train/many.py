"""Trains many small networks in one compiled program: each seed with each penalty strength.

One small network leaves most of an accelerator idle, so a grid of them is trained in about the time
of one. The data lie on the device, and many steps are one call.
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
    """Return states of shape [seeds, weights, ...] from parameters of shape [seeds, ...].

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.train import init_many
      >>> kernels = {"kernel": jnp.ones((5, 20))}  # of five seeds
      >>> init_many(kernels, optax.sgd(0.1), jnp.array([0.0, 0.1])).params["kernel"].shape
      (5, 2, 20)
    """
    by_weight = jax.vmap(lambda params, weight: init_state(params, optimizer), (None, 0))
    return jax.vmap(by_weight, (0, None))(params, weights)


def make_many(
    loss: Callable[[PyTree, Any, jax.Array], jax.Array], optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Any, jax.Array, jax.Array], TrainState]:
    """Return a compiled function that makes many steps with many networks.

    Networks of one seed see the same batches. Where a loss is not finite, its state says so in
    `first_bad_step`; the others are not affected. XLA's convolutions in a loop are slow on CPUs
    (row "in a loop" of `experiments.benchmarks.convolutions`): there, train such networks one by
    one.

    Args:
      loss: function of parameters, a batch and a weight, such as
        `f(params, batch) + weight * P(params)`.
      optimizer: any optax optimizer.

    Returns:
      A function of four arguments that returns the states after all steps:

      * the states (`init_many`), whose memory is reused;
      * the examples, a tree of arrays with the examples on the first axis;
      * the order, integers of shape [steps, seeds, batch size]: the examples of each batch;
      * the weights, shape [weights].

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.train import init_many, make_many
      >>> def loss(w, x, weight):
      ...     return jnp.mean((w - x) ** 2) + weight * w**2
      >>> optimizer, weights = optax.sgd(0.25), jnp.array([0.0, 1.0])
      >>> states = init_many(jnp.array([0.0, 9.0]), optimizer, weights)  # two seeds
      >>> order = jnp.zeros((50, 2, 1), int)  # 50 steps, always on the first example
      >>> states = make_many(loss, optimizer)(states, jnp.array([4.0]), order, weights)
      >>> states.params.round(3).tolist()  # by seed, and by weight
      [[4.0, 2.0], [4.0, 2.0]]
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
