"""Masks of the weights to keep, by magnitude, and their application."""

import jax
import jax.numpy as jnp

from jaxcomp.losses.ratio import level_of
from jaxcomp.losses.tree import ARRAY_SCOPES, check_scope
from jaxcomp.prune.patterns import Entries, Pattern
from jaxcomp.trees import Mask, PyTree, resolve_mask, select

ENTRIES = Entries()


def threshold_mask(
    params: PyTree, threshold: float, *, scope: str = "global", mask: Mask | None = None
) -> PyTree:
    r"""Keep the weights with :math:`|w_i| \ge \tau c`, `threshold` :math:`\tau` in ternary levels.

    The compressibility loss pushes entries below the ternary level :math:`c = \|w\|_2^2 / \|w\|_1`
    to zero, so `c` is the natural unit: the mask does not depend on the scale of the weights.

    Args:
      params: tree of arrays.
      threshold: :math:`\tau \ge 0`, as a fraction of `c`.
      scope: `"global"` for one `c` over all selected weights, `"tensor"` for one in each tensor.
      mask: which leaves are pruned (see `jaxcomp.compressibility_tree`).

    Returns:
      A tree of bool arrays with the shapes of `params`; all True in leaves that are not pruned.
      Exact zeros are never kept.

    Raises:
      ValueError: if `threshold` is negative or NaN, or `scope` unknown, or nothing is selected.
    """
    if not threshold >= 0:
        raise ValueError(f"threshold must be at least 0, got {threshold}")
    check_scope(scope, ARRAY_SCOPES)
    level = level_of(select(params, mask))

    def keep(p: jax.Array) -> jax.Array:
        bound = threshold * (level if scope == "global" else level_of([p]))
        return (jnp.abs(p) >= bound) & (p != 0)

    return _over_selected(keep, params, mask)


def top_k_mask(
    params: PyTree,
    density: float,
    *,
    scope: str = "global",
    pattern: Pattern = ENTRIES,
    mask: Mask | None = None,
) -> PyTree:
    """Keep the largest magnitudes, exactly `round(density * n)` of `n` weights.

    Args:
      params: tree of arrays.
      density: fraction to keep, in (0, 1].
      scope: `"global"` to rank all selected weights together, `"tensor"` to keep the same fraction
        of each tensor. At least one weight is kept in each ranking.
      pattern: what is kept or pruned as one: `Entries()`, `Blocks(rows, columns)`, `Units(side)` or
        `OfEach(m)` of `jaxcomp.prune`.
      mask: which leaves are pruned (see `jaxcomp.compressibility_tree`).

    Returns:
      A tree of bool arrays with the shapes of `params`; all True in leaves that are not pruned.
      Among equal magnitudes the first in tree order, then in row-major order, are kept.

    Raises:
      ValueError: if `density` is outside (0, 1], `scope` unknown, the pattern does not fit, or
        nothing is selected.
    """
    check_density(density)
    magnitudes = [jnp.abs(p) for p in select(params, mask)]
    kept = iter(pattern.keep(magnitudes, density, scope))
    return _over_selected(lambda _: next(kept), params, mask)


def check_density(density: float) -> None:
    """Raises a ValueError unless `density` is in (0, 1]."""
    if not 0 < density <= 1:
        raise ValueError(f"density is the fraction of weights to keep, in (0, 1], got {density}")


def apply_mask(params: PyTree, keep: PyTree) -> PyTree:
    """Parameters with exact zeros wherever `keep`, a tree of bool arrays, is False."""
    return jax.tree.map(lambda p, k: jnp.where(k, p, jnp.zeros_like(p)), params, keep)


def _over_selected(function, params: PyTree, mask: Mask | None) -> PyTree:
    return jax.tree.map(
        lambda selected, p: function(p) if selected else jnp.ones_like(p, dtype=bool),
        resolve_mask(mask, params),
        params,
    )
