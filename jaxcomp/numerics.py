"""Sums, roots and quotients of weights that stay finite and leave exact zeros alone.

Two traps make the plain formula `jnp.abs(w).sum() / jnp.linalg.norm(w)` unusable in training, and
both are dealt with here and nowhere else:

* JAX defines the derivative of `abs` at 0 as 1, so a penalty written with `jnp.abs` pushes every
  exactly pruned weight away from zero.
* In float32 the sum of squares overflows at entries of 1e+20 and vanishes at 1e-23, long before the
  quotient does.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class ScaledNorms(NamedTuple):
    """Norms of `w / scale`: the sums neither overflow nor vanish.

    The scale is 1 where plain sums do neither, and `||w||_2` where they would; for the zero vector
    all three fields are 0. The scale carries no gradient. That is exact, not an approximation:
    `f(w / s)` for `f` of degree zero, and `s f(w / s)` for `f` of degree one, do not depend on `s`.
    """

    scale: jax.Array  # shape=(): at most the inverse of the smallest normal number
    l1: jax.Array  # shape=(): ||w||_1 / scale
    sum_of_squares: jax.Array  # shape=(): (||w||_2 / scale)^2


@jax.custom_jvp
def magnitude(x: jax.Array) -> jax.Array:
    """`|x|` elementwise, with derivative 0 (not 1) at exactly 0."""
    return jnp.abs(x)


@magnitude.defjvp
def _magnitude_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (change,) = primals, tangents
    return jnp.abs(x), jnp.sign(x) * change


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


def gathered(x: jax.Array) -> jax.Array:
    """The array as a whole on each device, for what has no meaning on its parts.

    That is needed where shardings are part of types; elsewhere compilers see to it.
    """
    if any(axis is not None for axis in jax.typeof(x).sharding.spec):
        return jax.sharding.reshard(x, jax.sharding.PartitionSpec())
    return x


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
      The norms, in float32 or, if any array is float64, in float64. A vector whose norm is below
      the smallest normal number of that type counts as zero.

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
    return _scaled_norms([array.astype(dtype) for array in arrays])


@jax.custom_jvp
def _scaled_norms(arrays: Sequence[jax.Array]) -> ScaledNorms:
    # Nearly always plain sums do. A search for the scale before them reads the weights once more,
    # which costs more than all the rest.
    plain = _sums(arrays, 1.0)
    size = sum(array.size for array in arrays)
    limits = jnp.finfo(plain.l1.dtype)
    tiny, eps = float(limits.tiny), float(limits.eps)
    # Squares that vanish come to less than a rounding error of a sum above the one, and derivatives
    # do not vanish below the other. A NaN is in no range.
    low, high = size * tiny / eps, eps / tiny
    safe = (plain.sum_of_squares > low) & (plain.sum_of_squares < high)
    vanishing = plain.sum_of_squares <= low
    return _plain_if(safe, plain, arrays, vanishing)


@jax.custom_batching.custom_vmap
def _plain_if(
    safe: jax.Array, plain: ScaledNorms, arrays: Sequence[jax.Array], vanishing: jax.Array
) -> ScaledNorms:
    return jax.lax.cond(safe, lambda *_: plain, _by_norm, arrays, vanishing)


@_plain_if.def_vmap
def _plain_if_mapped(
    axis_size: int, in_batched: list, *arguments: Any
) -> tuple[ScaledNorms, ScaledNorms]:
    """Both ways for all: `vmap` would do so too, and copy the arrays first."""
    del axis_size

    def both(
        safe: jax.Array, plain: ScaledNorms, arrays: Sequence[jax.Array], vanishing: jax.Array
    ) -> ScaledNorms:
        other = _by_norm(arrays, vanishing)
        return jax.tree.map(lambda one, two: jnp.where(safe, one, two), plain, other)

    axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
    out = jax.vmap(both, axes)(*arguments)
    return out, jax.tree.map(lambda _: True, out)


@_scaled_norms.defjvp
def _scaled_norms_jvp(
    primals: tuple[Sequence[jax.Array]], tangents: tuple[Sequence[jax.Array]]
) -> tuple[ScaledNorms, ScaledNorms]:
    (arrays,), (changes,) = primals, tangents
    norms = _scaled_norms(arrays)
    # Compilers compute a gradient of factors where it is used; one that divides they store.
    factor = safe_quotient(jnp.ones_like(norms.scale), norms.scale)
    both = list(zip(arrays, changes, strict=True))
    l1 = jax.lax.optimization_barrier(sum(jnp.sum(jnp.sign(w) * change) for w, change in both))
    squares = jax.lax.optimization_barrier(
        sum(jnp.sum((factor * w) * change) for w, change in both)
    )
    return norms, ScaledNorms(jnp.zeros_like(factor), factor * l1, 2 * factor * squares)


def _by_norm(arrays: Sequence[jax.Array], vanishing: jax.Array) -> ScaledNorms:
    """The norms with `||w||_2` as the scale, of weights that are very small, or very large."""
    limits = jnp.finfo(arrays[0].dtype)
    tiny = float(limits.tiny)
    # A power of two that brings squares of the one into range, its inverse those of the other.
    power = 2.0 ** round(0.63 * limits.maxexp)
    sums = _sums(arrays, jax.lax.optimization_barrier(jnp.where(vanishing, power, 1 / power)))
    unit = jnp.where(vanishing, 1 / power, power).astype(sums.l1.dtype)
    norm = jnp.sqrt(sums.sum_of_squares) * unit
    # `~(a < b)` and not `a >= b`: a NaN among the weights has to stay visible.
    normal = ~(norm < tiny)
    # Compilers divide by multiplying with the reciprocal, and that of a larger number is subnormal.
    scale = jnp.minimum(norm, 1 / tiny)
    ratio = jnp.where(normal, unit / jnp.where(normal, scale, 1), 0)
    return ScaledNorms(
        jnp.where(normal, scale, 0), sums.l1 * ratio, sums.sum_of_squares * ratio * ratio
    )


def _sums(arrays: Sequence[jax.Array], factor: jax.Array | float) -> ScaledNorms:
    """The norms of `factor * w`."""
    factor = jnp.asarray(factor, arrays[0].dtype)
    # Not of one `array * factor`: what two sums have in common is stored, a copy of all weights.
    l1 = _one([jnp.sum(jnp.abs(array) * factor) for array in arrays])
    squares = _one([jnp.sum(jnp.square(array * factor)) for array in arrays])
    return ScaledNorms(jnp.ones_like(l1), l1, squares)


def _one(parts: Sequence[jax.Array]) -> jax.Array:
    """The sum of scalars.

    Without the barriers compilers put the code of all parts into that for each of many arrays, and
    take time that grows with the square of their number.
    """
    return jax.lax.optimization_barrier(jnp.sum(jax.lax.optimization_barrier(jnp.stack(parts))))
