"""Measures how far the non-zero weights are from being ternary."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxcomp.norms import scaled_norms
from jaxcomp.numerics import magnitude, safe_quotient, safe_sqrt


def ternary_gap_of(arrays: Sequence[jax.Array]) -> jax.Array:
    r"""Return the ternary gap :math:`\sqrt k \, (\sqrt k - L(w_S))` of the non-zero entries `S`.

    Here `k` is their number. On a frozen support the ternary vectors `{-c, 0, c}` are where the
    compressibility loss is *largest*, :math:`L = \sqrt k`. So the gap is 0 if and only if `w` is
    ternary, and at most `k - sqrt(k)`. It depends neither on the scale nor on the signs. Minimize
    it after the support has been found, while `jaxcomp.keep_masked` holds it: it makes the
    magnitudes of the survivors equal.

    The function computes :math:`\frac{k}{2} \sum_S (|w_i| / \|w\|_2 - 1 / \sqrt k)^2`, which is the
    same number, is never negative, and loses no digits where the gap nearly vanishes.

    Args:
      arrays: floating-point arrays, taken together as one vector.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(ternary_gap_of([jnp.array([0.0, 3.0, -3.0, 0.0])])), 6)
      0.0
    """
    scale, _, sum_of_squares = scaled_norms(arrays)
    support = [jax.lax.stop_gradient(array) != 0 for array in arrays]
    k = jnp.asarray(sum(jnp.sum(s, dtype=sum_of_squares.dtype) for s in support))
    even = safe_quotient(jnp.ones_like(k), safe_sqrt(k))

    def of_array(w: jax.Array, nonzero: jax.Array) -> jax.Array:
        share = safe_quotient(
            safe_quotient(magnitude(w.astype(k.dtype)), jnp.broadcast_to(scale, w.shape)),
            jnp.broadcast_to(safe_sqrt(sum_of_squares), w.shape),
        )
        return jnp.sum(jnp.where(nonzero, jnp.square(share - even), 0))

    return k / 2 * sum(map(of_array, arrays, support))
