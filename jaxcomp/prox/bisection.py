"""Bisection of many intervals at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

STEPS = 60  # each gains a bit: enough for float64


def bisect(
    holds: Callable[[jax.Array], jax.Array], low: jax.Array, high: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Around the last point of each interval up to which `holds` is true.

    Args:
      holds: elementwise, true up to some point and false from there on.
      low: lower ends of the intervals.
      high: upper ends, of the same shape.

    Returns:
      Ends of intervals that are `2**STEPS` times shorter: the condition holds at the first, unless
      that is `low`, and not at the second, unless that is `high`.
    """

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) / 2
        inside = holds(middle)
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    return jax.lax.fori_loop(0, STEPS, halve, (low, high))
