"""Implements thresholds: the proximal operators of penalties that are sums over single weights."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxcomp.losses.baselines import l1_of
from jaxcomp.numerics import accumulation_dtype


@dataclass(frozen=True)
class Soft:
    r"""Applies the soft threshold, the proximal operator of :math:`f = \|w\|_1`.

    Each weight shrinks by :math:`\tau`: :math:`x_i = \mathrm{sign}(y_i) (|y_i| - \tau)_+`.

    Example:
      >>> import jax.numpy as jnp
      >>> Soft().prox(jnp.array([3.0, 0.5]), 1.0).tolist()
      [2.0, 0.0]
    """

    def value(self, w: jax.Array) -> jax.Array:
        """Return the l1 norm."""
        return l1_of([w])

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        """Shrink every entry by `tau`; exact in the metric of a preconditioner too."""
        wide, tau = widened(y, tau)
        return (jnp.sign(wide) * jnp.maximum(jnp.abs(wide) - tau, 0)).astype(y.dtype)


@dataclass(frozen=True)
class Hard:
    r"""Applies the hard threshold, the proximal operator of the number of non-zeros.

    Weights with :math:`y_i^2 > 2 \tau` stay as they are, and all others become zero.

    Example:
      >>> import jax.numpy as jnp
      >>> Hard().prox(jnp.array([3.0, 0.5]), 1.0).tolist()
      [3.0, 0.0]
    """

    def value(self, w: jax.Array) -> jax.Array:
        """Return the number of weights that are not zero."""
        return jnp.count_nonzero(w).astype(accumulation_dtype(w))

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        """Zero small entries and keep the others; exact in the metric of a preconditioner too."""
        wide, tau = widened(y, tau)
        # Here y^2 > 2 tau would underflow for small weights.
        return jnp.where(jnp.abs(wide) > jnp.sqrt(2 * tau), y, jnp.zeros_like(y))


def widened(y: jax.Array, tau: jax.Array | float) -> tuple[jax.Array, jax.Array]:
    """Return `y` and `tau` in float32 or wider, `tau` with the shape of `y`."""
    wide = y.astype(accumulation_dtype(y))
    return wide, jnp.broadcast_to(jnp.asarray(tau).astype(wide.dtype), y.shape)
