"""Ternary weights `{-c, 0, c}`, and their fine-tuning by a straight-through estimator."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.losses.ratio import ternary_level
from jaxcomp.numerics import accumulation_dtype, magnitude, safe_quotient
from jaxcomp.trees import Mask, PyTree, resolve_mask


class Ternary(NamedTuple):
    """A ternary tensor `level * sign(latent)` in a form that can be trained.

    It takes the place of an array in a parameter tree; `dequantize` turns the tree back into one of
    arrays. Zeros of the latent weights are the pruned ones.
    """

    latent: jax.Array  # shape of the tensor: its sign is the ternary digit
    level: jax.Array  # shape=(): the magnitude c


def least_squares_level(w: jax.Array) -> jax.Array:
    r"""The level :math:`\|w\|_1 / k` that minimises :math:`\|w - c \, \mathrm{sign}(w)\|_2`.

    It is the mean magnitude of the `k` non-zero entries of `w` (any shape); 0 for the zero vector.
    """
    w = w.astype(accumulation_dtype(w))
    nonzeros = jnp.count_nonzero(w).astype(w.dtype)
    return safe_quotient(jnp.sum(magnitude(w)), nonzeros)


# How the level is fitted to the weights that survived pruning.
LEVELS = {
    "theorem": ternary_level,  # c = ||w||_2^2 / ||w||_1: where the compressibility loss rests
    "least_squares": least_squares_level,
}


def ternarize(params: PyTree, *, level: str = "theorem", mask: Mask | None = None) -> PyTree:
    """Replace weights by `Ternary` nodes: the survivors' signs, and one level for each tensor.

    Args:
      params: tree of arrays in which pruned weights are exactly zero.
      level: `"theorem"` for `c = ||w||_2^2 / ||w||_1` over the survivors, `"least_squares"` for
        their mean magnitude, the closest ternary tensor in the Euclidean norm.
      mask: which leaves become ternary (see `jaxcomp.compressibility_tree`).

    Returns:
      The tree with a `Ternary` in place of each selected leaf.

    Raises:
      ValueError: if `level` is unknown, or the mask does not fit.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}: choose from {', '.join(map(repr, LEVELS))}")
    return jax.tree.map(
        lambda selected, w: Ternary(w, LEVELS[level](w).astype(w.dtype)) if selected else w,
        resolve_mask(mask, params),
        params,
    )


def dequantize(params: PyTree) -> PyTree:
    r"""Replace `Ternary` nodes by the arrays :math:`c \, \mathrm{sign}(v)` that they stand for.

    Differentiable by the straight-through estimator: the level `c` gets its true gradient
    :math:`\sum_i g_i \, \mathrm{sign}(v_i)`; a latent weight `v_i` that is not zero gets `g_i`, as
    if the rounding were the identity; a pruned one gets exactly 0.
    """
    return jax.tree.map(_straight_through, params, is_leaf=_is_ternary)


def ternary_mask(params: PyTree, keep: PyTree) -> PyTree:
    """A mask of arrays `keep` as a mask of the tree that `ternarize` made, for `keep_masked`.

    Args:
      params: tree with `Ternary` nodes.
      keep: tree of bool arrays, with one for each `Ternary` and each other leaf.

    Returns:
      The tree of `params`, with `keep` for the latent weights and True for the levels.
    """
    return jax.tree.map(
        lambda p, k: Ternary(k, True) if _is_ternary(p) else k, params, keep, is_leaf=_is_ternary
    )


def _is_ternary(node: Any) -> bool:
    return isinstance(node, Ternary)


def _straight_through(node: Any) -> jax.Array:
    if not _is_ternary(node):
        return node
    sign = jax.lax.stop_gradient(jnp.sign(node.latent))
    # Adds exactly 0 to the value and the identity on the support to the derivative.
    identity = (node.latent - jax.lax.stop_gradient(node.latent)) * jnp.abs(sign)
    return node.level * sign + identity
