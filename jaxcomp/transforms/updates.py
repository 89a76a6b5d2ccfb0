"""Shares the code of transformations that read parameters."""

from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
import optax

from jaxcomp.arguments import check_number
from jaxcomp.trees import Mask, PyTree, check_selects, resolve_mask


def check_params(params: PyTree | None, use: str) -> None:
    """Raise a ValueError that begins with `use`, as in "keep_masked moves", if there are none."""
    if params is None:
        raise ValueError(
            f"{use} the current parameters, but none were given: "
            "call tx.update(updates, state, params)"
        )


def transformation(
    init: Callable[..., PyTree], update: Callable[..., tuple[PyTree, PyTree]]
) -> optax.GradientTransformationExtraArgs:
    """Make a transformation of two functions, whatever type its state has."""
    return optax.GradientTransformationExtraArgs(init, update)


def masked(
    tx: optax.GradientTransformationExtraArgs, mask: Mask | None
) -> optax.GradientTransformationExtraArgs:
    """Restrict `tx` to the leaves that a mask selects; `optax.masked` hides the others from it.

    Raises:
      ValueError: at `init` and `update`, if the mask does not fit, or selects no leaf.
    """
    return optax.masked(tx, lambda tree: check_selects(tree, resolve_mask(mask, tree)))


def check_strength(name: str, value: optax.ScalarOrSchedule) -> None:
    """Raise an error unless `value` is a schedule, or a number that is finite and not negative."""
    if not callable(value):
        check_number(name, value, "finite and not negative, or a schedule", lambda v: v >= 0)


def check_transformation(name: str, tx: optax.GradientTransformation) -> None:
    """Raise a TypeError that begins with `name` unless `tx` is a transformation of optax."""
    if not (hasattr(tx, "init") and hasattr(tx, "update")):
        raise TypeError(f"{name} must be one of optax, with `init` and `update`, got {tx!r}")


def map_updates(function: Callable[..., jax.Array], updates: PyTree, *trees: PyTree) -> PyTree:
    """Apply `function` to each update and its counterparts in the other trees; None stays None."""
    return jax.tree.map(
        lambda u, *rest: None if u is None else function(u, *rest),
        updates,
        *trees,
        is_leaf=lambda u: u is None,
    )


def at_step(value: optax.ScalarOrSchedule, count: jax.Array) -> jax.Array | float:
    """Return the number, or the number of the schedule at step `count`."""
    # To optax, a schedule gives whatever JAX takes for an array.
    return cast("jax.Array | float", value(count)) if callable(value) else value


def step_after(count: jax.Array) -> jax.Array:
    """Return `count + 1`, or the largest integer of its type."""
    return cast(jax.Array, optax.safe_increment(count))


def wider_dtype(update: jax.Array, param: jax.Array) -> jnp.dtype:
    """Return a type that holds the numbers of both.

    An update that is narrower than its parameter `p` could not hold -p exactly. Two different types
    of one size, such as bfloat16 and float16, meet in float32: one has more digits, the other a
    wider range.
    """
    if update.dtype != param.dtype and update.dtype.itemsize == param.dtype.itemsize:
        return jnp.dtype(jnp.float32)
    return max(update.dtype, param.dtype, key=lambda dtype: dtype.itemsize)
