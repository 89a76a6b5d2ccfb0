"""Sums, roots and quotients of weights that stay finite and leave exact zeros alone.

Two traps make the plain formula `jnp.abs(w).sum() / jnp.linalg.norm(w)` unusable in training, and
both are dealt with here and nowhere else:

* JAX defines the derivative of `abs` at 0 as 1, so a penalty written with `jnp.abs` pushes every
  exactly pruned weight away from zero.
* In float32 the sum of squares overflows at entries of 1e+20 and vanishes at 1e-23, long before the
  quotient does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp


class ScaledNorms(NamedTuple):
    """Norms of `w / scale`, where `scale` is (nearly always) the largest magnitude in `w`.

    The sums can neither overflow nor vanish; for the zero vector all three fields are 0.
    The scale carries no gradient. That is exact, not an approximation: `f(w / s)` for `f` of degree
    zero, and `s f(w / s)` for `f` of degree one, do not depend on `s`.
    """

    scale: jax.Array  # shape=(): max |w_i|, at most the inverse of the smallest normal number
    l1: jax.Array  # shape=(): ||w||_1 / scale
    sum_of_squares: jax.Array  # shape=(): (||w||_2 / scale)^2


def magnitude(x: jax.Array) -> jax.Array:
    """`|x|` elementwise, with derivative 0 (not 1) at exactly 0."""
    return x * jax.lax.stop_gradient(jnp.sign(x))


def safe_quotient(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """`numerator / denominator`, and 0 with derivative 0 where the denominator is 0."""
    defined = denominator != 0
    # The inner `where` keeps the branch that is not taken finite: 0 * inf would be NaN in the
    # derivative.
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), 0)


def safe_sqrt(x: jax.Array) -> jax.Array:
    """Square root of `x >= 0` with derivative 0 (not infinity) at exactly 0."""
    nonzero = x != 0
    return jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, x, 1)), 0)


def accumulation_dtype(*arrays: jax.Array) -> jnp.dtype:
    """float64 if any of the arrays is, else float32: the type in which they are added up."""
    # Not `jnp.promote_types`: it raises for mixed types where JAX is set to strict promotion.
    wide = any(array.dtype == jnp.float64 for array in arrays)
    return jnp.dtype(jnp.float64 if wide else jnp.float32)


def scaled_norms(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """Norms of all `arrays` taken together as one long vector.

    Args:
      arrays: floating-point arrays of any shapes. bfloat16 and float16 are accumulated in float32.

    Returns:
      The norms, in float32 or, if any array is float64, in float64. A vector whose largest
      magnitude is below the smallest normal number of that type counts as zero.

    Raises:
      TypeError: if an array is not of a real floating-point type.
    """
    for array in arrays:
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(
                f"norms are taken of real floating-point weights, got an array of type "
                f"{array.dtype} and shape {array.shape}; convert it or leave it out with a mask"
            )
    dtype = accumulation_dtype(*arrays)
    arrays = [array.astype(dtype) for array in arrays]

    largest = jnp.zeros((), dtype)
    for array in arrays:
        largest = jnp.maximum(largest, jnp.max(jnp.abs(array), initial=0))
    largest = jax.lax.stop_gradient(largest)
    # `~(a < b)` and not `a >= b`: a NaN among the weights has to stay visible.
    tiny = jnp.finfo(dtype).tiny
    normal = ~(largest < tiny)
    # Compilers divide by multiplying with the reciprocal, and that of a larger number is subnormal.
    scale = jnp.minimum(largest, 1 / tiny)
    divisor = jnp.where(normal, scale, 1)

    l1 = jnp.zeros((), dtype)
    sum_of_squares = jnp.zeros((), dtype)
    for array in arrays:
        scaled = jnp.where(normal, array / divisor, 0)
        # The sign of `array`, not of `scaled`: 1e-30 beside 1e+30 underflows to 0 but is not one.
        sign = jax.lax.stop_gradient(jnp.sign(array))
        l1 += jnp.sum(scaled * sign)
        sum_of_squares += jnp.sum(scaled * scaled)
    return ScaledNorms(jnp.where(normal, scale, 0), l1, sum_of_squares)
