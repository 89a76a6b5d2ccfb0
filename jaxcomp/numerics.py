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
    return jax.lax.platform_dependent(arrays, cpu=_by_branch, default=_by_one_read)


def _by_branch(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """With a second look at the weights where plain sums do not do, which is rare.

    On CPUs each sum is a loop over the weights, and a search for the scale would be two more.
    """
    plain = _sums(arrays, 1.0)
    safe, vanishing = _ranges(arrays, plain.sum_of_squares)
    return _plain_if(safe, plain, arrays, vanishing)


def _by_one_read(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """With the sums of weights that are scaled up and down beside the plain ones.

    On accelerators a branch waits for the device, and arithmetic hides behind the reading of the
    weights. One reduction of all terms is one loop over them.
    """
    dtype = arrays[0].dtype
    power = jnp.asarray(_power(dtype), dtype)

    def terms(w: jax.Array) -> tuple[jax.Array, ...]:
        down, up = w / power, w * power
        squares = jnp.square(w), jnp.square(up), jnp.square(down)
        return (jnp.abs(w), jnp.abs(down), *squares)

    def added(one: tuple[jax.Array, ...], other: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(map(jnp.add, one, other))

    parts = []
    for w in arrays:
        each = terms(w)
        zeros = (jnp.zeros((), dtype),) * len(each)
        parts.append(jnp.stack(jax.lax.reduce(each, zeros, added, tuple(range(w.ndim)))))
    barrier = jax.lax.optimization_barrier  # as in `_one`
    l1, l1_down, squares, squares_up, squares_down = barrier(barrier(jnp.stack(parts)).sum(0))
    safe, vanishing = _ranges(arrays, squares)
    scaled = _with_norm_as_scale(
        # Magnitudes do not vanish where their squares do: their sum can be scaled itself.
        jnp.where(vanishing, l1 * power, l1_down),
        jnp.where(vanishing, squares_up, squares_down),
        vanishing,
    )
    plain = ScaledNorms(jnp.ones_like(l1), l1, squares)
    return jax.tree.map(lambda one, other: jnp.where(safe, one, other), plain, scaled)


def _ranges(arrays: Sequence[jax.Array], sum_of_squares: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether plain sums do, and whether they vanish rather than overflow where they do not."""
    size = sum(array.size for array in arrays)
    limits = jnp.finfo(sum_of_squares.dtype)
    tiny, eps = float(limits.tiny), float(limits.eps)
    # Squares that vanish come to less than a rounding error of a sum above the one, and derivatives
    # do not vanish below the other. A NaN is in no range.
    low, high = size * tiny / eps, eps / tiny
    return (sum_of_squares > low) & (sum_of_squares < high), sum_of_squares <= low


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
    power = _power(arrays[0].dtype)
    sums = _sums(arrays, jax.lax.optimization_barrier(jnp.where(vanishing, power, 1 / power)))
    return _with_norm_as_scale(sums.l1, sums.sum_of_squares, vanishing)


def _power(dtype: jnp.dtype) -> float:
    """A power of two that brings squares of vanishing weights into range; its inverse, of large."""
    return 2.0 ** round(0.63 * jnp.finfo(dtype).maxexp)


def _with_norm_as_scale(
    l1: jax.Array, sum_of_squares: jax.Array, vanishing: jax.Array
) -> ScaledNorms:
    """From the sums of weights times the power of two, if they vanish, or over it."""
    tiny, power = float(jnp.finfo(l1.dtype).tiny), _power(l1.dtype)
    unit = jnp.where(vanishing, 1 / power, power).astype(l1.dtype)
    norm = jnp.sqrt(sum_of_squares) * unit
    # `~(a < b)` and not `a >= b`: a NaN among the weights has to stay visible.
    normal = ~(norm < tiny)
    # Compilers divide by multiplying with the reciprocal, and that of a larger number is subnormal.
    scale = jnp.minimum(norm, 1 / tiny)
    ratio = jnp.where(normal, unit / jnp.where(normal, scale, 1), 0)
    return ScaledNorms(jnp.where(normal, scale, 0), l1 * ratio, sum_of_squares * ratio * ratio)


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
