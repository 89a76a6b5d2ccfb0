"""Bisects many intervals at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

STEPS = 60  # each step gains one bit, and float64 needs 53


def bisect(
    holds: Callable[[jax.Array], jax.Array], low: jax.Array, high: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Bracket, in each interval, the last point up to which `holds` is true.

    Args:
      holds: elementwise function, true up to some point and false from there on.
      low: lower ends of the intervals.
      high: upper ends, of the same shape.

    Returns:
      Lower and upper ends of intervals that are `2**STEPS` times shorter. The condition holds at
      the lower end, unless that is `low`; it does not hold at the upper end, unless that is `high`.

    Example:
      >>> import jax.numpy as jnp
      >>> low, high = bisect(lambda x: x * x < 2, jnp.zeros(1), jnp.full(1, 2.0))
      >>> round(float(low[0]), 4)
      1.4142
    """

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) / 2
        inside = holds(middle)
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    return jax.lax.fori_loop(0, STEPS, halve, (low, high))
