"""Norms of weights that neither overflow nor vanish, with derivatives that leave exact zeros alone.

In float32 a sum of squares overflows at entries of 1e+20 and vanishes at 1e-23, long before the
quotient of norms does.

Some lines are as they are for the programs that XLA makes of them. Each names the row of
`experiments.benchmarks.step_cost` that shows what it is for: of `add_compressibility`, the time and
bytes of an `update`, or the time to `compile` one of a thousand arrays.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.numerics import accumulation_dtype, check_whole


class ScaledNorms(NamedTuple):
    """Norms of `w / scale`: the sums neither overflow nor vanish.

    The scale is 1 where plain sums do neither, and `||w||_2` where they would; for the zero vector
    all three fields are 0. The scale carries no gradient. That is exact, not an approximation:
    `f(w / s)` for `f` of degree zero, and `s f(w / s)` for `f` of degree one, do not depend on `s`.
    """

    scale: jax.Array  # shape=(): at most the inverse of the smallest normal number
    l1: jax.Array  # shape=(): ||w||_1 / scale
    sum_of_squares: jax.Array  # shape=(): (||w||_2 / scale)^2


def scaled_norms(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """Norms of all `arrays` taken together as one long vector.

    Args:
      arrays: floating-point arrays of any shapes. bfloat16 and float16 are accumulated in float32.

    Returns:
      The norms, in float32 or, if any array is float64, in float64. A vector whose norm is below
      the smallest normal number of that type counts as zero.

    Raises:
      TypeError: if an array is not of a real floating-point type.
      ValueError: inside of `jax.shard_map`, if an array is only a part of one.
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
    # Row "compile": XLA computes products of scalars where they are used, once more for each array;
    # it stores quotients.
    scale = jnp.where(norms.scale == 0, jnp.inf, norms.scale)
    each = [_derivatives(w, 1 / scale, change) for w, change in zip(arrays, changes, strict=True)]
    l1, squares = (jax.lax.optimization_barrier(sum(terms)) for terms in zip(*each, strict=True))
    return norms, ScaledNorms(jnp.zeros_like(scale), l1 / scale, squares / (scale / 2))


# Outside of `jit`, a custom derivative and a branch would be compiled again at each call.
_compiled_norms = jax.jit(_scaled_norms)


def _by_branch(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """Look at the weights a second time where plain sums do not do, which is rare.

    On CPUs each sum is a loop over the weights, and a search for the scale would be two more (row
    "update", on a CPU).
    """
    plain = _all_sums(arrays, jnp.ones((), arrays[0].dtype))
    factor = _range_factor(arrays, plain[1])
    l1, squares = _if_plain(factor, plain, arrays)
    return _with_scale(l1, squares, factor)


def _by_one_read(arrays: Sequence[jax.Array]) -> ScaledNorms:
    """Take the sums of weights that are scaled up and down beside the plain ones.

    On accelerators a branch waits for the device, and arithmetic hides behind the reading of the
    weights (row "update", on a GPU).
    """
    plain, down, squares, squares_up, squares_down = _total([_scaled_sums(w) for w in arrays])
    factor = _range_factor(arrays, squares)
    # Magnitudes do not vanish where their squares do: their sum can be scaled itself.
    l1 = jnp.where(factor < 1, down, plain * factor)
    scaled = jnp.where(factor < 1, squares_down, squares_up)
    return _with_scale(l1, jnp.where(factor == 1, squares, scaled), factor)


def _range_power(dtype: jnp.dtype) -> float:
    """A power of two that brings squares of vanishing weights into range; its inverse, of large."""
    return 2.0 ** round(0.63 * jnp.finfo(dtype).maxexp)


def _range_factor(arrays: Sequence[jax.Array], squares: jax.Array) -> jax.Array:
    """Return what brings squares of weights into range: 1 if their plain sum, `squares`, does."""
    size, power = sum(array.size for array in arrays), _range_power(squares.dtype)
    limits = jnp.finfo(squares.dtype)
    tiny, eps = float(limits.tiny), float(limits.eps)
    # Squares that vanish come to less than a rounding error of a sum above the one, and derivatives
    # do not vanish below the other. A NaN is in no range.
    low, high = size * tiny / eps, eps / tiny
    safe = (squares > low) & (squares < high)
    factor = jnp.where(safe, 1, jnp.where(squares <= low, power, 1 / power))
    return jax.lax.optimization_barrier(factor.astype(squares.dtype))


def _with_scale(l1: jax.Array, squares: jax.Array, factor: jax.Array) -> ScaledNorms:
    """Return norms from the sums of `factor * w`: the scale is 1 if the factor is."""
    tiny = float(jnp.finfo(squares.dtype).tiny)
    norm = jnp.sqrt(squares) / factor
    # `~(a < b)` and not `a >= b`: a NaN among the weights has to stay visible.
    normal = ~(norm < tiny)
    # Compilers divide by multiplying with the reciprocal, and that of a larger number is subnormal.
    scale = jnp.where(factor == 1, 1, jnp.minimum(norm, 1 / tiny))
    ratio = jnp.where(normal, 1 / (factor * jnp.where(normal, scale, 1)), 0)
    return ScaledNorms(jnp.where(normal, scale, 0), l1 * ratio, squares * ratio * ratio)


Sums = tuple[jax.Array, jax.Array]  # of magnitudes, and of squares


@jax.custom_batching.custom_vmap
def _if_plain(factor: jax.Array, plain: Sums, arrays: Sequence[jax.Array]) -> Sums:
    """The sums of `factor * w`, by a branch: the plain ones if the factor is 1."""
    return jax.lax.cond(factor == 1, lambda *_: plain, _all_sums, arrays, factor)


@_if_plain.def_vmap
def _if_plain_mapped(axis_size: int, in_batched: list, *arguments: Any) -> tuple[Sums, tuple]:
    """Both ways for all: `vmap` would do so too, and copy the arrays first."""
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
    """The sum of the parts.

    Without the barriers XLA puts the code of all parts into that for each of many arrays, and takes
    time that grows with the square of their number (row "compile").
    """
    barrier = jax.lax.optimization_barrier
    return barrier(barrier(jnp.stack(parts)).sum(0))


# What is done to each of many arrays is traced once for each shape, as compiled functions are.


@jax.jit
def _sums(w: jax.Array, factor: jax.Array) -> Sums:
    # Row "update": not of one `factor * w`, as XLA stores what two sums have in common, a copy of
    # all weights.
    return jnp.sum(jnp.abs(w) * factor), jnp.sum(jnp.square(w * factor))


@jax.jit
def _scaled_sums(w: jax.Array) -> jax.Array:
    """Add up magnitudes, also scaled down, and squares, also scaled up and down, in one loop."""
    power = jnp.asarray(_range_power(w.dtype), w.dtype)
    down, up = w / power, w * power
    terms = (jnp.abs(w), jnp.abs(down), jnp.square(w), jnp.square(up), jnp.square(down))

    def added(one: tuple[jax.Array, ...], other: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(map(jnp.add, one, other))

    zeros = (jnp.zeros((), w.dtype),) * len(terms)
    return jnp.stack(jax.lax.reduce(terms, zeros, added, tuple(range(w.ndim))))


@jax.jit
def _derivatives(w: jax.Array, factor: jax.Array, change: jax.Array) -> Sums:
    """How `||w||_1` and half of `factor ||w||_2^2` change with the weights."""
    return jnp.sum(jnp.sign(w) * change), jnp.sum((factor * w) * change)
