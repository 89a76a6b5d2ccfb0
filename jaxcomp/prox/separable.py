"""Thresholds: the proximal operators of penalties that are sums over single weights."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxcomp.losses.baselines import l1_of
from jaxcomp.numerics import accumulation_dtype


@dataclass(frozen=True)
class Soft:
    r"""Soft threshold: :math:`f = \|w\|_1`, :math:`x_i = \mathrm{sign}(y_i) (|y_i| - \tau)_+`."""

    def value(self, w: jax.Array) -> jax.Array:
        """The l1 norm."""
        return l1_of([w])

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        """Everything shrinks by `tau`; exact in the metric of a preconditioner too."""
        wide, tau = widened(y, tau)
        return (jnp.sign(wide) * jnp.maximum(jnp.abs(wide) - tau, 0)).astype(y.dtype)


@dataclass(frozen=True)
class Hard:
    r"""Hard threshold: `f` counts the non-zeros, :math:`x_i = y_i` where :math:`y_i^2 > 2\tau`."""

    def value(self, w: jax.Array) -> jax.Array:
        """The number of weights that are not zero."""
        return jnp.count_nonzero(w).astype(accumulation_dtype(w))

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        """Small entries become zero, others stay; exact in a preconditioner's metric too."""
        wide, tau = widened(y, tau)
        # Not y^2 > 2 tau, which underflows for small weights.
        return jnp.where(jnp.abs(wide) > jnp.sqrt(2 * tau), y, jnp.zeros_like(y))


def widened(y: jax.Array, tau: jax.Array | float) -> tuple[jax.Array, jax.Array]:
    """`y` and `tau` in float32 or wider, `tau` of the shape of `y`."""
    wide = y.astype(accumulation_dtype(y))
    return wide, jnp.broadcast_to(jnp.asarray(tau).astype(wide.dtype), y.shape)
