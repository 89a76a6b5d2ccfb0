"""One training step as a pure function, and compiled."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

PyTree = Any


class TrainState(NamedTuple):
    """All that changes from step to step."""

    step: jax.Array  # shape=(), dtype=int32: number of steps made
    params: PyTree
    opt_state: PyTree
    loss: jax.Array  # shape=(), dtype=float32: loss of the last batch, before its update
    first_bad_step: jax.Array  # shape=(), dtype=int32: where loss or penalty was not finite, or 0
    model_state: PyTree = None  # what the model itself moves on, such as running statistics


def init_state(
    params: PyTree, optimizer: optax.GradientTransformation, model_state: PyTree = None
) -> TrainState:
    """The state before the first step.

    Args:
      params: initial parameters.
      optimizer: that of the step.
      model_state: what the model moves on at each step beside the parameters, such as the
        `batch_stats` of batch norm; None if there is nothing.
    """
    zero = jnp.zeros((), jnp.int32)
    state = TrainState(
        zero, params, optimizer.init(params), jnp.zeros((), jnp.float32), zero, model_state
    )
    # Steps give the memory of a state away: it must not hold `params`, nor one array twice.
    return jax.tree.map(jnp.copy, state)


def make_update(
    loss: Callable[..., jax.Array],
    optimizer: optax.GradientTransformation,
    key: jax.Array | None = None,
) -> Callable[[TrainState, Any], TrainState]:
    """One step as a pure function: gradient of `loss(params, batch)`, update, new state.

    With a random key the loss is `loss(params, batch, key)`, with another key at each step. Where
    the state has a `model_state`, it is `loss(params, model_state, batch)` or with the key behind
    these, and gives the loss and the new model state. The optimizer is given the loss as the extra
    argument `value`. Where the loss is not finite, or a `penalty` in the state of the optimizer,
    that is noted, and parameters stay from then on what they are: no step waits for the device to
    know, and who looks at the state later finds what was wrong.
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
    """`make_update`, compiled.

    The memory of the state that is passed in is reused: do not use that state again.
    """

    # The key is an argument: with another seed it is the same program, compiled once for all
    # seeds where JAX keeps what it compiles.
    def step(key: jax.Array | None, state: TrainState, batch: Any) -> TrainState:
        return make_update(loss, optimizer, key)(state, batch)

    return partial(jax.jit(step, donate_argnums=1), key)
