"""Computes norms of weights that neither overflow nor vanish.

In float32 a sum of squares overflows at entries of 1e+20 and vanishes at 1e-23, long before the
quotient of norms does. The derivatives of the norms at exact zeros are zero.

Some lines below have their form because of the programs that XLA makes of them. Their comments name
the row of `experiments.benchmarks.step_cost` that shows the effect on `add_compressibility`: the
time and bytes of an `update`, or the time to `compile` one of a thousand arrays.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.numerics import accumulation_dtype, check_whole


class ScaledNorms(NamedTuple):
    """Holds norms of `w / scale`, whose sums neither overflow nor vanish.

    The scale is 1 where plain sums are safe, and `||w||_2` where they are not; for the zero vector
    all three fields are 0. The scale carries no gradient. That is exact, not an approximation:
    `f(w / s)` for `f` of degree zero, and `s f(w / s)` for `f` of degree one, do not depend on `s`.
    """

    scale: jax.Array  # shape=(): at most the inverse of the smallest normal number
    l1: jax.Array  # shape=(): ||w||_1 / scale
    sum_of_squares: jax.Array  # shape=(): (||w||_2 / scale)^2


def scaled_norms(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """Return norms of all `arrays` taken together as one long vector.

    Args:
      arrays: floating-point arrays of any shapes. bfloat16 and float16 are accumulated in float32.

    Returns:
      The norms, in float32, or in float64 if any array is float64. A vector whose norm is below the
      smallest normal number of that type counts as zero.

    Raises:
      TypeError: if an array is not of a real floating-point type.
      ValueError: inside `jax.shard_map`, if an array is only a part of one.

    Example:
      >>> import jax.numpy as jnp
      >>> scale, l1, sum_of_squares = scaled_norms([jnp.array([3e30, -4e30])])
      >>> f"{float(scale):.1e} {float(l1):.2f} {float(sum_of_squares):.2f}"  # the norm is 5e+30
      '5.0e+30 1.40 1.00'
    """
    for array in arrays:
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(
                f"norms are taken of real floating-point weights, got an array of type "
                f"{array.dtype} and shape {array.shape}; convert it or leave it out with a mask"
            )
    check_whole(arrays, "norms are taken")
    dtype = accumulation_dtype(*arrays)
    return _compiled_norms([array.astype(dtype) for array in arrays])


@jax.custom_jvp
def _scaled_norms(arrays: Sequence[jax.Array]) -> ScaledNorms:
    return jax.lax.platform_dependent(arrays, cpu=_by_branch, default=_by_one_read)


@_scaled_norms.defjvp
def _scaled_norms_jvp(
    primals: tuple[Sequence[jax.Array]], tangents: tuple[Sequence[jax.Array]]
) -> tuple[ScaledNorms, ScaledNorms]:
    (arrays,), (changes,) = primals, tangents
    norms = _scaled_norms(arrays)
    # Row "compile": XLA computes a product of scalars again at each use, once per array, but stores
    # a quotient.
    scale = jnp.where(norms.scale == 0, jnp.inf, norms.scale)
    each = [_derivatives(w, 1 / scale, change) for w, change in zip(arrays, changes, strict=True)]
    l1, squares = (jax.lax.optimization_barrier(sum(terms)) for terms in zip(*each, strict=True))
    return norms, ScaledNorms(jnp.zeros_like(scale), l1 / scale, squares / (scale / 2))


# Without `jit`, each call would compile the custom derivative and the branch again.
_compiled_norms = jax.jit(_scaled_norms)


def _by_branch(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """Read the weights a second time where plain sums are not safe, which is rare.

    On CPUs each sum is a loop over the weights, and a search for the scale would add two more (row
    "update", on a CPU).
    """
    plain = _all_sums(arrays, jnp.ones((), arrays[0].dtype))
    factor = _range_factor(arrays, plain[1])
    return _with_scale(*_if_plain(factor, plain, arrays), factor)


def _by_one_read(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """Compute the sums of weights that are scaled up and down beside the plain sums.

    On accelerators a branch waits for the device, and arithmetic hides behind the reading of the
    weights (row "update", on a GPU).
    """
    plain, down, squares, squares_up, squares_down = _total([_scaled_sums(w) for w in arrays])
    factor = _range_factor(arrays, squares)
    # Magnitudes do not vanish where their squares do, so their plain sum can be scaled.
    l1 = jnp.where(factor < 1, down, plain * factor)
    scaled = jnp.where(factor < 1, squares_down, squares_up)
    return _with_scale(l1, jnp.where(factor == 1, squares, scaled), factor)


def _range_power(dtype: jnp.dtype) -> float:
    """Return the power of two that scales tiny weights up; its inverse scales huge ones down."""
    return 2.0 ** round(0.63 * jnp.finfo(dtype).maxexp)


def _range_factor(arrays: Sequence[jax.Array], squares: jax.Array) -> jax.Array:
    """Return a factor that brings the sum of squares into range: 1 if `squares` is in it."""
    size, power = sum(array.size for array in arrays), _range_power(squares.dtype)
    limits = jnp.finfo(squares.dtype)
    tiny, eps = float(limits.tiny), float(limits.eps)
    # In a sum above `low`, squares that vanish are less than a rounding error; in a sum below
    # `high`, derivatives do not vanish. A NaN is in no range.
    low, high = size * tiny / eps, eps / tiny
    safe = (squares > low) & (squares < high)
    factor = jnp.where(safe, 1, jnp.where(squares <= low, power, 1 / power))
    return jax.lax.optimization_barrier(factor.astype(squares.dtype))


def _with_scale(l1: jax.Array, squares: jax.Array, factor: jax.Array) -> ScaledNorms:
    """Return norms from the sums of `factor * w`: the scale is 1 if the factor is."""
    tiny = float(jnp.finfo(squares.dtype).tiny)
    norm = jnp.sqrt(squares) / factor
    # This is `~(a < b)` instead of `a >= b`, so that a NaN among the weights stays visible.
    normal = ~(norm < tiny)
    # Compilers divide by multiplying with the reciprocal, which is subnormal for a larger scale.
    scale = jnp.where(factor == 1, 1, jnp.minimum(norm, 1 / tiny))
    ratio = jnp.where(normal, 1 / (factor * jnp.where(normal, scale, 1)), 0)
    return ScaledNorms(jnp.where(normal, scale, 0), l1 * ratio, squares * ratio * ratio)


Sums = tuple[jax.Array, jax.Array]  # of magnitudes, and of squares


@jax.custom_batching.custom_vmap
def _if_plain(factor: jax.Array, plain: Sums, arrays: Sequence[jax.Array]) -> Sums:
    """Return the sums of `factor * w`, by a branch: the plain ones if the factor is 1."""
    return jax.lax.cond(factor == 1, lambda *_: plain, _all_sums, arrays, factor)


@_if_plain.def_vmap
def _if_plain_mapped(axis_size: int, in_batched: list, *arguments: Any) -> tuple[Sums, tuple]:
    """Compute both branches for all vectors. `vmap` would do so too, but copy the arrays first."""
    del axis_size

    def both(factor: jax.Array, plain: Sums, arrays: Sequence[jax.Array]) -> Sums:
        other = _all_sums(arrays, factor)
        return jax.tree.map(lambda one, two: jnp.where(factor == 1, one, two), plain, other)

    axes = jax.tree.map(lambda batched: 0 if batched else None, tuple(in_batched))
    return jax.vmap(both, axes)(*arguments), (True, True)


def _all_sums(arrays: Sequence[jax.Array], factor: jax.Array) -> Sums:
    l1, squares = zip(*(_sums(w, factor) for w in arrays), strict=True)
    return _total(l1), _total(squares)


def _total(parts: Sequence[jax.Array]) -> jax.Array:
    """Return the sum of the parts.

    Without the barriers XLA repeats the code of all parts in the code of each array, so that the
    time to compile grows with the square of the number of arrays (row "compile").
    """
    barrier = jax.lax.optimization_barrier
    return barrier(barrier(jnp.stack(parts)).sum(0))


# The functions of one array below are compiled, so that each shape is traced only once.


@jax.jit
def _sums(w: jax.Array, factor: jax.Array) -> Sums:
    # Row "update": the two sums do not share `factor * w`, since XLA would store it, a copy of all
    # weights.
    return jnp.sum(jnp.abs(w) * factor), jnp.sum(jnp.square(w * factor))


@jax.jit
def _scaled_sums(w: jax.Array) -> jax.Array:
    """Sum magnitudes, also scaled down, and squares, also scaled up and down, in one loop."""
    power = jnp.asarray(_range_power(w.dtype), w.dtype)
    down, up = w / power, w * power
    terms = (jnp.abs(w), jnp.abs(down), jnp.square(w), jnp.square(up), jnp.square(down))

    def added(one: tuple[jax.Array, ...], other: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(map(jnp.add, one, other))

    zeros = (jnp.zeros((), w.dtype),) * len(terms)
    return jnp.stack(jax.lax.reduce(terms, zeros, added, tuple(range(w.ndim))))


@jax.jit
def _derivatives(w: jax.Array, factor: jax.Array, change: jax.Array) -> Sums:
    """Return the changes of `||w||_1` and of half of `factor ||w||_2^2` with the weights."""
    return jnp.sum(jnp.sign(w) * change), jnp.sum((factor * w) * change)
