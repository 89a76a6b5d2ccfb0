"""Implements the proximal operator of the compressibility loss."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxcomp.compiled import compiled_method
from jaxcomp.losses.ratio import compressibility
from jaxcomp.norms import scaled_norms
from jaxcomp.numerics import gathered, safe_quotient
from jaxcomp.prox.bisection import bisect
from jaxcomp.prox.separable import Soft, widened


@dataclass(frozen=True)
class Ratio:
    r"""Thresholds and stretches: the proximal operator of :math:`f = L(w) = \|w\|_1 / \|w\|_2`.

    Here :math:`L(0) = 0`. With one :math:`\tau` for all, the result is the global minimizer. Let
    :math:`b = |y|`, and let `u` be the direction of the result, a unit vector without negative
    entries. The best length along `u` is :math:`r = \langle b, u \rangle`, which leaves :math:`h(u)
    = \tau \|u\|_1 - r^2 / 2` to minimize. Its stationary points are :math:`u \propto (b -
    \alpha)_+` with :math:`\alpha = \tau / r`: a soft threshold, then a stretch. Along this curve
    with one parameter, :math:`h'(\alpha)` has the sign of :math:`\alpha r(\alpha) - \tau`. Between
    two neighboring values of `b` the product :math:`\alpha r` rises and then falls, so each
    interval holds at most one minimum, and bisection finds it. The result is the best of these
    minima, of a single weight and of zero. The operator sorts the entries of the array.

    Literature: Tao, *Minimization of L1 over L2 for sparse signal recovery with convergence
    guarantee*, SIAM Journal on Scientific Computing 44 (2022).

    Example:
      >>> import jax.numpy as jnp
      >>> Ratio().prox(jnp.array([3.0, -3.0, 0.1]), 1.0).round(2).tolist()  # not shrunk, as by l1
      [3.0, -3.0, 0.0]
    """

    def value(self, w: jax.Array) -> jax.Array:
        """Return the compressibility loss."""
        return compressibility(w)

    @compiled_method  # without `jit`, each call would compile the loop again
    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        r"""Return the exact minimizer for a scalar `tau`, and a linearized step for an array.

        In the metric of a preconditioner (`tau` is an array), the step follows the smooth part of
        the gradient at `y` and applies a soft threshold for the rest: :math:`x = S_{\tau_i / r}(y_i
        + \tau_i a y_i / r^3)` with :math:`a = \|y\|_1` and :math:`r = \|y\|_2`. It is one step of
        proximal gradient descent, close to the minimizer for small `tau`.
        """
        if jnp.ndim(tau):
            return self._linearized(y, tau)
        y = gathered(y)  # its entries are sorted
        wide, _ = widened(y, tau)
        magnitudes = jnp.abs(wide)
        largest = jnp.max(magnitudes, initial=0)
        # The loss is of degree zero: prox_tau(s y) = s prox_(tau / s^2)(y).
        b = safe_quotient(magnitudes, jnp.broadcast_to(largest, y.shape))
        weight = safe_quotient(safe_quotient(jnp.asarray(tau).astype(b.dtype), largest), largest)
        alpha, is_zero, is_single = _threshold(jnp.sort(b.ravel())[::-1], weight)

        shrunk = jnp.maximum(b - alpha, 0)
        direction = safe_quotient(
            shrunk, jnp.broadcast_to(jnp.sqrt(jnp.sum(jnp.square(shrunk))), y.shape)
        )
        stretched = jnp.sum(b * direction) * direction * largest * jnp.sign(wide)
        first = jnp.arange(b.size).reshape(b.shape) == jnp.argmax(b)
        single = jnp.where(first, wide, 0)
        x = jnp.where(is_zero, 0, jnp.where(is_single, single, stretched))
        # A tau of zero changes nothing, not even by rounding.
        return jnp.where(jnp.asarray(tau) == 0, y, x.astype(y.dtype))

    def _linearized(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        wide, tau = widened(y, tau)
        scale, l1, sum_of_squares = scaled_norms([wide])
        r = jnp.broadcast_to(scale * jnp.sqrt(sum_of_squares), y.shape)
        per_r = safe_quotient(tau, r)
        # The inverse of the ternary level is a / r^2.
        inverse_level = safe_quotient(safe_quotient(l1, sum_of_squares), scale)
        moved = wide * (1 + per_r * jnp.broadcast_to(inverse_level, y.shape))
        return Soft().prox(moved, per_r).astype(y.dtype)


def _threshold(b: jax.Array, tau: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the best `alpha` (see `Ratio`), and whether zero or a single weight is better.

    Args:
      b: descending magnitudes, shape [n], the first of them 1 or 0.
      tau: scalar.
    """
    t = jnp.arange(1, b.size + 1, dtype=b.dtype)  # size of the support
    low, high = jnp.append(b[1:], 0), b  # the thresholds that leave just the first t
    b1, b2 = jnp.cumsum(b), jnp.cumsum(jnp.square(b))
    mean = b1 / t
    variance = jnp.maximum(b2 / t - jnp.square(mean), 0)

    def rises(alpha: jax.Array) -> jax.Array:
        """Return whether alpha r(alpha) has a positive derivative, for alpha <= mean."""
        gap = mean - alpha
        return variance * (variance + 2 * mean**2 - 3 * mean * alpha) + mean * gap**3 > 0

    def length(alpha: jax.Array) -> jax.Array:
        """Return r(alpha) = <b, u(alpha)>."""
        gap = mean - alpha
        norm = jnp.sqrt(variance + gap**2)
        return jnp.sqrt(t) * safe_quotient(variance + mean * gap, norm)

    top, _ = bisect(rises, low, high)
    alpha, _ = bisect(lambda alpha: alpha * length(alpha) < tau, low, top)
    crosses = (low * length(low) <= tau) & (top * length(top) >= tau) & (top > low)
    gap = mean - alpha
    l1 = jnp.sqrt(t) * safe_quotient(gap, jnp.sqrt(variance + gap**2))
    objective = jnp.where(crosses, tau * l1 - jnp.square(length(alpha)) / 2, jnp.inf)

    best = jnp.argmin(objective)
    single = tau - jnp.square(b[0]) / 2
    is_single = single <= objective[best]
    return alpha[best], jnp.minimum(single, objective[best]) >= 0, is_single
