"""Makes masks of the weights to keep, by magnitude, and applies them."""

import warnings
from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.axes import Axes, all_but, beside, over_axes, selected_axes
from jaxcomp.choices import ARRAY_SCOPES, ArrayScope, Layout
from jaxcomp.losses.ratio import level_of
from jaxcomp.losses.tree import check_scope, needs_of, separate_axes
from jaxcomp.prune.patterns import (
    Entries,
    Pattern,
    check_pattern,
    keep_of_arrays,
    pattern_needs,
)
from jaxcomp.trees import (
    Mask,
    PyTree,
    check_finite,
    mask_or_weights,
    named_selection,
    resolve_entries,
    resolve_mask,
    select,
)
from jaxcomp.weights import Network

ENTRIES = Entries()


def threshold_mask(
    params: PyTree,
    threshold: float,
    *,
    scope: ArrayScope = "global",
    mask: Mask | None = None,
    network: Network | None = None,
) -> PyTree:
    r"""Keep the weights with :math:`|w_i| \ge \tau c`, where `threshold` is :math:`\tau`.

    The unit :math:`c = \|w\|_2^2 / \|w\|_1` is the ternary level. The compressibility loss pushes
    entries below `c` to zero, so `c` is the natural unit: the mask does not depend on the scale of
    the weights.

    Args:
      params: tree of arrays.
      threshold: :math:`\tau \ge 0`, as a fraction of `c`.
      scope: `"global"` for one `c` over all selected weights, `"tensor"` for one in each tensor.
      mask: which leaves are pruned (see `jaxcomp.compressibility_tree`).
      network: the result of `jaxcomp.trace`. It knows which arrays are weights, and which of them
        are stacks of separate tensors.

    Returns:
      A tree of bool arrays with the shapes of `params`; all True in leaves that are not pruned.
      Exact zeros are never kept.

    Raises:
      ValueError: if `threshold` is negative or not finite, `scope` is unknown, nothing is selected,
        or (outside `jit`) a selected leaf holds NaN or an infinity.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.array([[3.0, 0.1], [-4.0, 0.2]])}  # c = 3.4
      >>> threshold_mask(params, 0.5)["kernel"].tolist()
      [[True, False], [True, False]]
    """
    check_number("threshold", threshold, "at least 0 and finite", lambda t: t >= 0)
    check_scope(scope, ARRAY_SCOPES)
    mask = mask_or_weights(mask, network)
    check_finite(params, "threshold_mask", mask)
    level = level_of(select(params, mask))

    def keep(p: jax.Array, axes: Axes | None) -> jax.Array:
        bound = threshold * (level if scope == "global" else _level_beside(p, axes))
        return ~(jnp.abs(p) < bound) & (p != 0)  # a NaN stays, and so stays visible

    axes = selected_axes(params, mask, needs_of(scope), network=network)
    return _with_selected(map(keep, select(params, mask), axes), params, mask)


def top_k_mask(
    params: PyTree,
    density: float | jax.Array,
    *,
    scope: ArrayScope = "global",
    floor: float = 0.0,
    pattern: Pattern = ENTRIES,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> PyTree:
    """Keep the largest magnitudes, exactly `round(density * n)` of `n` weights.

    In a ranking of all weights together, a tensor whose weights are smaller than those of others
    can lose all of them, and the network then computes nothing. Outside `jit` a `UserWarning` names
    such tensors; `floor` prevents the loss.

    Args:
      params: tree of arrays.
      density: fraction to keep, in (0, 1]; it may be traced.
      scope: `"global"` to rank all selected weights together, `"tensor"` to keep the same fraction
        of each tensor. At least one weight is kept in each ranking.
      floor: fraction of each tensor that is kept whatever other tensors have, from 0 to `density`.
        Unless it is 0, each tensor keeps at least one weight, even if that exceeds `density`.
      pattern: the weights that are kept or pruned as one: `Entries()`, `Blocks(rows, columns)`,
        `Units()`, `Inputs()` or `OfEach(m)` of `jaxcomp.prune`.
      mask: which leaves are pruned (see `jaxcomp.compressibility_tree`).
      network: the result of `jaxcomp.trace`. It knows which arrays are weights, which of their axes
        are inputs and output units, and which arrays are stacks of separate tensors.
      layout: instead of `network`, the position of units in all arrays (see `jaxcomp.axes`).

    Returns:
      A tree of bool arrays with the shapes of `params`; all True in leaves that are not pruned.
      Among equal magnitudes the first in tree order, then in row-major order, are kept.

    Raises:
      ValueError: if `density` is outside (0, 1], `floor` is outside [0, density], `scope` is
        unknown, the pattern does not fit (with units also as `jaxcomp.compressibility_tree`),
        nothing is selected, or (outside `jit`) a selected leaf holds NaN or an infinity. Inside
        `jit`, NaN displaces no other weight: the mask keeps it in addition, where it stays visible.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.array([[3.0, 0.1], [-4.0, 0.2]]), "bias": jnp.array([0.1, 0.2])}
      >>> keep = top_k_mask(params, density=0.5)
      >>> keep["kernel"].tolist(), keep["bias"].tolist()
      ([[True, False], [True, False]], [True, True])
    """
    check_density(density)
    check_pattern(pattern)
    most = 1 if isinstance(density, jax.core.Tracer) else density
    wanted = f"the fraction of each tensor to keep, from 0 to the density {density}"
    check_number("floor", floor, wanted, lambda f: bool(0 <= f <= most))
    check_scope(scope, ARRAY_SCOPES)
    mask = mask_or_weights(mask, network)
    check_finite(params, "top_k_mask", mask)
    magnitudes = [jnp.abs(p) for p in select(params, mask)]
    needs = pattern_needs(pattern, "tensor")  # also to warn of stacked tensors that are lost
    axes = selected_axes(params, mask, needs, network=network, layout=layout)
    if floor == 0:
        kept = keep_of_arrays(pattern, magnitudes, density, scope, axes)
    else:
        kept = _keep_with_floor(magnitudes, density, floor, scope, pattern, axes)
    _warn_of_lost(params, mask, magnitudes, kept, axes)
    return _with_selected(kept, params, mask)


def check_density(density: float | jax.Array) -> None:
    """Raise an error unless `density` is a number in (0, 1]."""
    wanted = "the fraction of weights to keep, in (0, 1]"
    check_number("density", density, wanted, lambda d: 0 < d <= 1)


def apply_mask(params: PyTree, keep: PyTree) -> PyTree:
    """Set the weights outside a mask to exact zero.

    Args:
      params: tree of arrays.
      keep: tree of bool arrays, False for zeros; or one bool for all of a leaf.

    Raises:
      ValueError: if the structure or a shape of `keep` does not fit.
      TypeError: if a leaf of `keep` is not boolean.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.array([3.0, 0.5]), "bias": jnp.array([1.0])}
      >>> keep = {"kernel": jnp.array([True, False]), "bias": True}
      >>> apply_mask(params, keep)["kernel"].tolist()
      [3.0, 0.0]
    """
    full = resolve_entries(keep, params)
    return jax.tree.map(lambda p, k: jnp.where(k, p, jnp.zeros_like(p)), params, full)


def _level_beside(w: jax.Array, axes: Axes | None) -> jax.Array:
    """Return the ternary level of a tensor, or of each stacked one, to compare entries with."""
    separate = separate_axes(axes, "tensor")
    level = over_axes(lambda one: level_of([one]), separate)(w)
    return beside(level, w.ndim, separate) if separate else level


def _with_selected(kept: Iterable[jax.Array], params: PyTree, mask: Mask) -> PyTree:
    """Put the masks of the selected leaves in their places, and True for all other leaves."""
    kept = iter(kept)
    return jax.tree.map(
        lambda selected, p: next(kept) if selected else jnp.ones_like(p, dtype=bool),
        resolve_mask(mask, params),
        params,
    )


def _keep_with_floor(
    magnitudes: list[jax.Array],
    density: float | jax.Array,
    floor: float,
    scope: ArrayScope,
    pattern: Pattern,
    axes: list[Axes | None],
) -> list[jax.Array]:
    """Return masks that keep the part of each tensor that `floor` protects before all others."""
    first = keep_of_arrays(pattern, magnitudes, floor, "tensor", axes)
    scores = [
        jnp.where(keep, jnp.inf, jnp.minimum(score, jnp.finfo(score.dtype).max))
        for score, keep in zip(magnitudes, first, strict=True)
    ]
    kept = keep_of_arrays(pattern, scores, density, scope, axes)
    return [one | other for one, other in zip(kept, first, strict=True)]


def _warn_of_lost(
    params: PyTree,
    mask: Mask,
    magnitudes: list[jax.Array],
    kept: list[jax.Array],
    axes: list[Axes | None],
) -> None:
    """Warn of tensors that lose all of their weights, where the values are known."""
    if any(isinstance(keep, jax.core.Tracer) for keep in kept):
        return
    stacks = tuple(separate_axes(own, "tensor") for own in axes)
    lost = [
        repr(name) if not tensors.ndim else f"{tensors.sum()} of the tensors stacked in {name!r}"
        for (name, _), tensors in zip(
            named_selection(params, mask), _lost(magnitudes, kept, stacks), strict=True
        )
        if tensors.any()
    ]
    if lost:
        warnings.warn(
            f"nothing is left of {', '.join(lost)}: all other tensors have larger "
            "weights. Keep a part of each with `floor`, or rank with scope='tensor'",
            stacklevel=3,
        )


@partial(jax.jit, static_argnums=2)
def _lost(
    magnitudes: list[jax.Array], kept: list[jax.Array], stacks: tuple[tuple[int, ...], ...]
) -> list[jax.Array]:
    """Return whether a tensor, or each tensor of a stack, had non-zeros and keeps none."""

    def of(w: jax.Array, keep: jax.Array, stack: tuple[int, ...]) -> jax.Array:
        each = all_but(stack, w.ndim)
        return jnp.any(w > 0, axis=each) & ~jnp.any((w > 0) & keep, axis=each)

    return [of(*one) for one in zip(magnitudes, kept, stacks, strict=True)]
