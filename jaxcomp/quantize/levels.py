"""Fits the levels of few-valued weights: one, as in the theorem, or a small codebook."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice, check_number
from jaxcomp.axes import STACK, UNITS, Axes, beside, leaf_axes, over_axes
from jaxcomp.choices import PER, Layout, Level, Per
from jaxcomp.losses.ratio import ternary_level
from jaxcomp.losses.tree import separate_axes
from jaxcomp.norms import scaled_norms
from jaxcomp.numerics import accumulation_dtype, check_array, safe_quotient
from jaxcomp.quantize.straight_through import Quantized
from jaxcomp.trees import (
    Mask,
    PyTree,
    check_finite,
    check_floating,
    mask_or_weights,
    resolve_mask,
)
from jaxcomp.weights import Network

_LLOYD_STEPS = 50


def least_squares_level(w: jax.Array) -> jax.Array:
    r"""Return the level :math:`\|w\|_1 / k` that minimizes :math:`\|w - c \, \mathrm{sign}(w)\|_2`.

    It is the mean magnitude of the `k` non-zero entries of `w`; 0 for the zero vector.

    Args:
      w: floating-point array of any shape.

    Returns:
      A scalar in float32 or wider, in the units of `w`.

    Raises:
      TypeError: if `w` is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> float(least_squares_level(jnp.array([3.0, 0.0, -1.0, 2.0])))
      2.0
    """
    check_array("w", w)
    scale, l1, _ = scaled_norms([w])
    return scale * safe_quotient(l1, jnp.count_nonzero(w).astype(l1.dtype))


# Each rule fits the level to the weights that survived pruning.
LEVELS = {
    "theorem": ternary_level,  # c = ||w||_2^2 / ||w||_1, at critical points of the loss
    "least_squares": least_squares_level,
}


def ternarize(
    params: PyTree,
    *,
    level: Level = "theorem",
    per: Per = "tensor",
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> PyTree:
    """Replace weights by `Quantized` nodes of one level: the survivors' signs, and that level.

    Args:
      params: tree of arrays in which pruned weights are exactly zero.
      level: `"theorem"` for `c = ||w||_2^2 / ||w||_1` over the survivors, or `"least_squares"` for
        their mean magnitude, which gives the closest ternary tensor with the same zeros. (A tensor
        with more zeros can be closer: `jaxcomp.quantize.scalar.ternary_levels` finds it for files.)
      per: `"tensor"` for one level in each tensor, `"unit"` for one in each output unit.
      mask: which leaves become ternary (see `jaxcomp.compressibility_tree`).
      network: the result of `jaxcomp.trace`. It knows which arrays are weights, which of their axes
        are units, and which arrays are stacks of separate tensors.
      layout: instead of `network`, the position of units in all arrays (see `jaxcomp.axes`). In
        `"flax"`, the default, outputs are on the last axis; in `"torch"`, also for Equinox, on the
        first.

    Returns:
      The tree with a `Quantized` in place of each selected leaf that has entries.

    Raises:
      ValueError: if `level`, `per` or `layout` is unknown, the mask does not fit, or (outside
        `jit`) a selected leaf holds NaN or an infinity; inside `jit`, its levels are not finite.
        Per unit also if a network does not understand a selected leaf, or if `params` is a module
        of Equinox and neither `network` nor `layout` is given.
      TypeError: if a selected leaf is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.parametrized import values
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-1.0, 5.0]])}
      >>> node = ternarize(params, level="least_squares", per="unit")["kernel"]
      >>> node.levels.tolist(), values(node).tolist()  # one level for each of the two units
      ([[2.0, 5.0]], [[2.0, 0.0], [-2.0, 5.0]])
    """
    check_choice("level", level, LEVELS)
    source = {"network": network, "layout": layout}
    return _quantize(params, lambda w: LEVELS[level](w)[None], per, mask, "ternarize", **source)


def few_levels(
    params: PyTree,
    levels: int,
    *,
    per: Per = "tensor",
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> PyTree:
    """Replace weights by `Quantized` nodes of a few levels: a symmetric codebook with zero.

    The levels are fitted to the magnitudes of the survivors by Lloyd's iteration, starting from
    their quantiles. The result is a local minimum of the squared error; training can move it
    further. Weights that already have no more magnitudes keep them.

    Args:
      params: tree of arrays in which pruned weights are exactly zero.
      levels: how many magnitudes `m`, at least 1: entries take at most `2 m + 1` values.
      per: `"tensor"` or `"unit"`, as in `ternarize`.
      mask: which leaves are quantized (see `jaxcomp.compressibility_tree`).
      network: as in `ternarize`.
      layout: as in `ternarize`.

    Returns:
      The tree with a `Quantized` in place of each selected leaf that has entries.

    Raises:
      ValueError: if `levels` is less than 1, or as `ternarize`. Inside `jit`, NaN and infinities do
        not affect the levels; NaN stays NaN, and an infinity becomes the largest level.
      TypeError: if `levels` is no integer, or a selected leaf is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.parametrized import values
      >>> params = {"kernel": jnp.array([[1.0, 3.0], [0.0, -2.0], [9.0, -11.0]])}
      >>> values(few_levels(params, 2))["kernel"].tolist()  # magnitudes 2 and 10
      [[2.0, 2.0], [0.0, -2.0], [10.0, -10.0]]
    """
    check_magnitudes("levels", levels)
    source = {"network": network, "layout": layout}
    return _quantize(params, lambda w: fit_levels(w, levels), per, mask, "few_levels", **source)


def trained_levels(
    params: PyTree, levels: int, *, level: Level = "theorem", **options: Any
) -> PyTree:
    """Return the tree of `ternarize` for one level, and of `few_levels` for more.

    Args:
      params: tree of arrays in which pruned weights are exactly zero.
      levels: how many magnitudes, at least 1.
      level: the rule of a single level, as in `ternarize`.
      options: other arguments of both.

    Raises:
      ValueError, TypeError: as both.
    """
    check_magnitudes("levels", levels)
    if levels == 1:
        return ternarize(params, level=level, **options)
    return few_levels(params, levels, **options)


def check_magnitudes(name: str, levels: int) -> None:
    """Raise an error that names the argument unless weights can have so many magnitudes."""
    wanted = "a number of magnitudes, at least 1"
    check_number(name, levels, wanted, lambda m: m >= 1, integer=True)


@partial(jax.jit, static_argnums=1)  # without `jit`, each call would compile the loop again
def fit_levels(w: jax.Array, levels: int) -> jax.Array:
    """Return ascending magnitudes, shape [levels], near those of the non-zero entries of `w`.

    Example:
      >>> import jax.numpy as jnp
      >>> fit_levels(jnp.array([[1.0, 3.0], [0.0, -2.0], [9.0, -11.0]]), 2).tolist()
      [2.0, 10.0]
    """
    magnitudes = jnp.abs(w.astype(accumulation_dtype(w))).ravel()
    magnitudes = jnp.where(jnp.isnan(magnitudes), 0, magnitudes)  # NaN does not affect the levels
    # A power of two keeps sums of large magnitudes from overflowing, and changes no digit.
    large = jnp.max(magnitudes, initial=0) > 2.0**60
    scale = jnp.where(large, 2.0**64, 1).astype(magnitudes.dtype)
    magnitudes /= scale
    # Zeros become infinite, so that the first k of the sorted magnitudes are the non-zeros.
    ordered = jnp.sort(jnp.where(magnitudes > 0, magnitudes, jnp.inf))
    k = jnp.count_nonzero(magnitudes > 0)
    places = ((2 * jnp.arange(levels) + 1) * k) // (2 * levels)
    start = jnp.where(k > 0, ordered[jnp.minimum(places, jnp.maximum(k - 1, 0))], 0)
    start = start.astype(magnitudes.dtype)

    sum_of_run = _run_sums(ordered)

    def lloyd(_, centers: jax.Array) -> jax.Array:
        borders = (centers[1:] + centers[:-1]) / 2
        # The magnitudes of a level are a run of the sorted ones.
        ends = jnp.minimum(jnp.searchsorted(ordered, borders, side="right"), k)
        places = jnp.concatenate([jnp.zeros(1, ends.dtype), ends, k[None].astype(ends.dtype)])
        counts = jnp.diff(places).astype(magnitudes.dtype)
        means = safe_quotient(sum_of_run(places[:-1], places[1:]), counts)
        return jnp.where(counts > 0, means, centers)

    fitted = jax.lax.fori_loop(0, _LLOYD_STEPS, lloyd, start)

    # Quantiles miss rare magnitudes. Where magnitudes are as few as levels, they are the levels.
    def next_larger(value: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        place = jnp.searchsorted(ordered, value, side="right")
        value = jnp.where(place < k, ordered[jnp.minimum(place, ordered.size - 1)], jnp.inf)
        return value, value

    _, distinct = jax.lax.scan(next_larger, jnp.zeros_like(ordered[0]), length=levels + 1)
    largest = jnp.max(magnitudes, initial=0)
    few = jnp.isinf(distinct[-1])
    return scale * jnp.where(few, jnp.minimum(distinct[:-1], largest), fitted)


def _run_sums(values: jax.Array) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Return a function from starts and ends of runs, [m] each, to the sums of `values[start:end]`.

    It adds the sums of whole rows of about sqrt(n) of the n values, and the entries of the two rows
    in which a run starts and ends. This takes memory and time of m sqrt(n), where a mask for each
    run would take m n. Differences of cumulative sums would take less, but lose the digits of short
    runs.
    """
    width = max(1, math.isqrt(values.size))
    rows = jnp.pad(values, (0, -values.size % width)).reshape(-1, width)
    of_rows, number = rows.sum(axis=1)[None], jnp.arange(rows.shape[0])[None]

    def sums(starts: jax.Array, ends: jax.Array) -> jax.Array:
        first, last = starts // width, ends // width
        between = (number > first[:, None]) & (number < last[:, None])  # [m, rows]

        def inside(row: jax.Array) -> jax.Array:
            place = row[:, None] * width + jnp.arange(width)[None]  # [m, width]
            own = (place >= starts[:, None]) & (place < ends[:, None])
            return jnp.where(own, rows[row], 0).sum(axis=1)

        ends_later = jnp.where(last > first, inside(last), 0)
        return jnp.where(between, of_rows, 0).sum(axis=1) + inside(first) + ends_later

    return sums


def _quantize(
    params: PyTree,
    fit: Callable[[jax.Array], jax.Array],
    per: Per,
    mask: Mask | None,
    use: str,
    **source: Any,
) -> PyTree:
    check_choice("per", per, PER)
    mask = mask_or_weights(mask, source["network"])
    check_floating(params, use, mask)
    check_finite(params, use, mask)
    axes = leaf_axes(params, mask, UNITS if per == "unit" else STACK, **source)
    leaves, structure = jax.tree.flatten(params)
    chosen = jax.tree.leaves(resolve_mask(mask, params))

    def quantized(w: jax.Array, selected: bool, own: Axes | None) -> jax.Array | Quantized:
        if not (selected and w.size):
            return w
        return Quantized(w, _fit_each(fit, w, separate_axes(own, per)).astype(w.dtype))

    return structure.unflatten(map(quantized, leaves, chosen, axes))


def _fit_each(
    fit: Callable[[jax.Array], jax.Array], w: jax.Array, separate: tuple[int, ...]
) -> jax.Array:
    """Return the levels of each slice along some axes, in the shape of `Quantized.levels`."""
    levels = over_axes(fit, separate)(w)
    if not separate:
        return levels
    return beside(levels, w.ndim, separate).squeeze(range(1, 1 + min(separate)))
