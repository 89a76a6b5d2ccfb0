"""What transformations that look at parameters have in common."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxcomp.trees import PyTree


def check_params(params: PyTree | None, use: str) -> None:
    """Raises a ValueError that begins with `use`, as in "keep_masked moves", if there are none."""
    if params is None:
        raise ValueError(
            f"{use} the current parameters, but none were given: "
            "call tx.update(updates, state, params)"
        )


def map_updates(function: Callable[..., jax.Array], updates: PyTree, *trees: PyTree) -> PyTree:
    """`function` of each update and what belongs to it in the other trees; None stays None."""
    return jax.tree.map(
        lambda u, *rest: None if u is None else function(u, *rest),
        updates,
        *trees,
        is_leaf=lambda u: u is None,
    )


def at_step(value: optax.ScalarOrSchedule, count: jax.Array) -> jax.Array | float:
    """The number, or that of the schedule at step `count`."""
    return value(count) if callable(value) else value


def wider_dtype(update: jax.Array, param: jax.Array) -> jnp.dtype:
    """The wider of both types: an update narrower than its parameter could not hold -p exactly."""
    return max(update.dtype, param.dtype, key=lambda dtype: dtype.itemsize)
