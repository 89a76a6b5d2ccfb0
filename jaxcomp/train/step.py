"""Makes one training step, as a pure function or compiled."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

PyTree = Any


class TrainState(NamedTuple):
    """Holds everything that changes from step to step."""

    step: jax.Array  # shape=(), dtype=int32: number of steps made
    params: PyTree
    opt_state: PyTree
    loss: jax.Array  # shape=(), dtype=float32: loss of the last batch, before its update
    first_bad_step: jax.Array  # shape=(), dtype=int32: where loss or penalty was not finite, or 0
    model_state: PyTree = None  # what the model itself updates, such as running statistics


def init_state(
    params: PyTree, optimizer: optax.GradientTransformation, model_state: PyTree = None
) -> TrainState:
    """Return the state before the first step.

    Args:
      params: initial parameters.
      optimizer: the optimizer of the step.
      model_state: what the model updates at each step beside the parameters, such as the
        `batch_stats` of batch norm; None if there is nothing.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.train import init_state
      >>> state = init_state({"kernel": jnp.ones((2, 3))}, optax.sgd(0.1))
      >>> int(state.step), state.params["kernel"].shape
      (0, (2, 3))
    """
    zero = jnp.zeros((), jnp.int32)
    state = TrainState(
        zero, params, optimizer.init(params), jnp.zeros((), jnp.float32), zero, model_state
    )
    # Steps reuse the memory of a state: it must not hold `params`, nor one array twice.
    return jax.tree.map(jnp.copy, state)


def make_update(
    loss: Callable[..., jax.Array],
    optimizer: optax.GradientTransformation,
    key: jax.Array | None = None,
) -> Callable[[TrainState, Any], TrainState]:
    """Return one step as a pure function: gradient of the loss, update, new state.

    Where the loss, or a `penalty` in the state of the optimizer, is not finite, the state notes the
    step, and the parameters stay as they are from then on. No step waits for the device to know; a
    later look at the state finds the mistake.

    Args:
      loss: `loss(params, batch)`. With a random key it is `loss(params, batch, key)`, with another
        key at each step. Where the state has a `model_state`, it is `loss(params, model_state,
        batch)`, with the key last, and returns the loss and the new model state.
      optimizer: an optax optimizer, which is given the loss as the extra argument `value`.
      key: a random key, or None.

    Example:
      >>> import jax, jax.numpy as jnp, optax
      >>> from jaxcomp.train import init_state, make_update
      >>> update = make_update(lambda params, batch: (params - batch) ** 2, optax.sgd(0.5))
      >>> state = jax.jit(update)(init_state(jnp.array(0.0), optax.sgd(0.5)), jnp.array(3.0))
      >>> float(state.loss), float(state.params), int(state.step)
      (9.0, 3.0, 1)
    """
    extended = optax.with_extra_args_support(optimizer)

    def update(state: TrainState, batch: Any) -> TrainState:
        random = () if key is None else (jax.random.fold_in(key, state.step),)
        if state.model_state is None:
            value, gradients = jax.value_and_grad(loss)(state.params, batch, *random)
            model_state = None
        else:
            (value, model_state), gradients = jax.value_and_grad(loss, has_aux=True)(
                state.params, state.model_state, batch, *random
            )
        updates, opt_state = extended.update(gradients, state.opt_state, state.params, value=value)
        after = state._replace(
            params=optax.apply_updates(state.params, updates),
            opt_state=opt_state,
            model_state=model_state,
        )
        penalties = [p for _, p in optax.tree.get_all_with_path(opt_state, "penalty")]
        finite = jnp.isfinite(jnp.stack([value, *penalties])).all()
        was_good, number = state.first_bad_step == 0, state.step + 1
        kept = jax.tree.map(lambda new, old: jnp.where(was_good & finite, new, old), after, state)
        return kept._replace(
            step=number,
            loss=jnp.where(was_good, value.astype(jnp.float32), state.loss),
            first_bad_step=jnp.where(was_good & ~finite, number, state.first_bad_step),
        )

    return update


def make_step(
    loss: Callable[..., jax.Array],
    optimizer: optax.GradientTransformation,
    key: jax.Array | None = None,
) -> Callable[[TrainState, Any], TrainState]:
    """Return `make_update`, compiled.

    The memory of the state that is passed in is reused: do not use that state again. The arguments
    are those of `make_update`.

    Example:
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.train import init_state, make_step
      >>> step = make_step(lambda params, batch: (params - batch) ** 2, optax.sgd(0.25))
      >>> state = init_state(jnp.array(0.0), optax.sgd(0.25))
      >>> for batch in (8.0, 8.0, 8.0):
      ...     state = step(state, jnp.array(batch))
      >>> float(state.params), int(state.step)
      (7.0, 3)
    """

    # The key is an argument, so that another seed is the same program: where JAX keeps compiled
    # programs, one is compiled for all seeds.
    def step(key: jax.Array | None, state: TrainState, batch: Any) -> TrainState:
        return make_update(loss, optimizer, key)(state, batch)

    return partial(jax.jit(step, donate_argnums=1), key)
