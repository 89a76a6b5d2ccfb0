"""The levels of few-valued weights: one, as in the theorem, or a small codebook."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice, check_number
from jaxcomp.losses.ratio import ternary_level
from jaxcomp.numerics import accumulation_dtype, check_array, safe_quotient, scaled_norms
from jaxcomp.quantize.straight_through import Quantized
from jaxcomp.trees import Mask, PyTree, check_finite, check_floating, resolve_mask

PER = ("tensor", "unit")
_LLOYD_STEPS = 50


def least_squares_level(w: jax.Array) -> jax.Array:
    r"""The level :math:`\|w\|_1 / k` that minimises :math:`\|w - c \, \mathrm{sign}(w)\|_2`.

    It is the mean magnitude of the `k` non-zero entries of `w` (any shape); 0 for the zero vector.
    """
    check_array("w", w)
    scale, l1, _ = scaled_norms([w])
    return scale * safe_quotient(l1, jnp.count_nonzero(w).astype(l1.dtype))


# How the level is fitted to the weights that survived pruning.
LEVELS = {
    "theorem": ternary_level,  # c = ||w||_2^2 / ||w||_1: where the compressibility loss rests
    "least_squares": least_squares_level,
}


def ternarize(
    params: PyTree, *, level: str = "theorem", per: str = "tensor", mask: Mask | None = None
) -> PyTree:
    """Replace weights by `Quantized` nodes of one level: the survivors' signs, and that level.

    Args:
      params: tree of arrays in which pruned weights are exactly zero.
      level: `"theorem"` for `c = ||w||_2^2 / ||w||_1` over the survivors, `"least_squares"` for
        their mean magnitude, the closest ternary tensor in the Euclidean norm.
      per: `"tensor"` for one level in each tensor, `"unit"` for one in each output unit (last
        axis).
      mask: which leaves become ternary (see `jaxcomp.compressibility_tree`).

    Returns:
      The tree with a `Quantized` in place of each selected leaf that has entries.

    Raises:
      ValueError: if `level` or `per` is unknown, the mask does not fit, or (outside of `jit`) a
        selected leaf holds NaN or an infinity; inside, its levels are not finite.
      TypeError: if a selected leaf is not of a real floating-point type.
    """
    check_choice("level", level, LEVELS)
    return _quantize(params, lambda w: LEVELS[level](w)[None], per, mask, "ternarize")


def few_levels(
    params: PyTree, levels: int, *, per: str = "tensor", mask: Mask | None = None
) -> PyTree:
    """Replace weights by `Quantized` nodes of a few levels: a symmetric codebook with zero.

    The levels are fitted to the magnitudes of the survivors by Lloyd's iteration from their
    quantiles: a local minimum of the squared error, from which training goes on. Weights of so few
    magnitudes already keep them.

    Args:
      params: tree of arrays in which pruned weights are exactly zero.
      levels: how many magnitudes `m`, at least 1: entries take at most `2 m + 1` values.
      per: `"tensor"` or `"unit"`, as in `ternarize`.
      mask: which leaves are quantised (see `jaxcomp.compressibility_tree`).

    Returns:
      The tree with a `Quantized` in place of each selected leaf that has entries.

    Raises:
      ValueError: if `levels` is less than 1, `per` unknown, the mask does not fit, or (outside of
        `jit`) a selected leaf holds NaN or an infinity; inside, its levels are not finite.
      TypeError: if `levels` is no integer, or a selected leaf is not of a real floating-point type.
    """
    wanted = "a number of magnitudes, at least 1"
    check_number("levels", levels, wanted, lambda m: m >= 1, whole=True)
    return _quantize(params, lambda w: fit_levels(w, levels), per, mask, "few_levels")


@partial(jax.jit, static_argnums=1)  # outside of `jit`, a loop is compiled at each call
def fit_levels(w: jax.Array, levels: int) -> jax.Array:
    """Ascending magnitudes, shape [levels], near the magnitudes of the non-zero entries of `w`."""
    magnitudes = jnp.abs(w.astype(accumulation_dtype(w))).ravel()
    # Zeros are put aside as infinite, so that the first k of the sorted magnitudes are the others.
    ordered = jnp.sort(jnp.where(magnitudes > 0, magnitudes, jnp.inf))
    k = jnp.count_nonzero(magnitudes)
    places = ((2 * jnp.arange(levels) + 1) * k) // (2 * levels)
    start = jnp.where(k > 0, ordered[jnp.minimum(places, jnp.maximum(k - 1, 0))], 0)
    start = start.astype(magnitudes.dtype)

    def lloyd(_, centres: jax.Array) -> jax.Array:
        borders = (centres[1:] + centres[:-1]) / 2
        nearest = jnp.searchsorted(borders, magnitudes)
        own = nearest[:, None] == jnp.arange(levels)[None]
        own = own & (magnitudes > 0)[:, None]
        counts = own.sum(axis=0).astype(magnitudes.dtype)
        sums = jnp.where(own, magnitudes[:, None], 0).sum(axis=0)
        return jnp.where(counts > 0, safe_quotient(sums, counts), centres)

    fitted = jax.lax.fori_loop(0, _LLOYD_STEPS, lloyd, start)
    # Quantiles leave out a magnitude that is rare: where there are so few, they are the levels.
    distinct = jnp.unique(ordered, size=levels + 1, fill_value=jnp.inf)
    largest = jnp.max(magnitudes, initial=0)
    return jnp.where(jnp.isinf(distinct[-1]), jnp.minimum(distinct[:-1], largest), fitted)


def _quantize(
    params: PyTree, fit: Callable[[jax.Array], jax.Array], per: str, mask: Mask | None, use: str
) -> PyTree:
    check_choice("per", per, PER)
    check_floating(params, use, mask)
    check_finite(params, use, mask)
    if per == "unit":
        fit = jax.vmap(fit, in_axes=-1, out_axes=-1)
    return jax.tree.map(
        lambda selected, w: Quantized(w, fit(w).astype(w.dtype)) if selected and w.size else w,
        resolve_mask(mask, params),
        params,
    )
