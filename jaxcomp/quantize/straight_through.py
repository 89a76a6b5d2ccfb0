"""Few-valued weights in a form that can be trained, by the straight-through estimator."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.trees import PyTree, path_name, resolve_entries


class Quantized(NamedTuple):
    """A tensor whose entries are zero or plus or minus one of a few levels.

    It takes the place of an array in a parameter tree; `dequantize` turns the tree back into one of
    arrays. Zeros of the latent weights are the pruned ones. One level is a ternary tensor.
    """

    latent: jax.Array  # shape of the tensor: its sign, and which level is nearest
    # shape=(m,): magnitudes; or (m, *slices), with some for each slice of the tensor: of a shape
    # that broadcasts to that of the tensor, such as (m, outputs) or (m, outputs, 1)
    levels: jax.Array


def dequantize(params: PyTree) -> PyTree:
    r"""Replace `Quantized` nodes by the arrays that they stand for.

    An entry is :math:`c_j \, \mathrm{sign}(v_i)` with the level :math:`c_j` nearest to
    :math:`|v_i|`, the first of two that are equally near, and 0 where the latent weight is 0.

    Differentiable by the straight-through estimator (Bengio, Léonard, Courville, arXiv 1308.3432):
    each level gets its true gradient, the sum of :math:`g_i \, \mathrm{sign}(v_i)` over the entries
    that have it; a latent weight that is not zero gets :math:`g_i`, as if the rounding were the
    identity; a pruned one gets exactly 0.

    Raises:
      TypeError: if a leaf is neither an array nor a `Quantized`.
    """
    return jax.tree_util.tree_map_with_path(_straight_through, params, is_leaf=_is_quantized)


def latent_mask(params: PyTree, keep: PyTree) -> PyTree:
    """A mask of arrays as a mask of a tree with `Quantized` nodes, for `keep_masked`.

    Args:
      params: tree with `Quantized` nodes.
      keep: tree of bool arrays, with one for each `Quantized` and each other leaf.

    Returns:
      The tree of `params`, with `keep` for the latent weights and True for the levels.

    Raises:
      ValueError: if the structure or a shape does not fit.
      TypeError: if a leaf of `keep` is not boolean.
    """
    latent = jax.tree.map(
        lambda p: p.latent if _is_quantized(p) else p, params, is_leaf=_is_quantized
    )
    return jax.tree.map(
        lambda p, k: Quantized(k, True) if _is_quantized(p) else k,
        params,
        resolve_entries(keep, latent),
        is_leaf=_is_quantized,
    )


def _is_quantized(node: Any) -> bool:
    return isinstance(node, Quantized)


def _straight_through(path: tuple[Any, ...], node: Any) -> jax.Array:
    if not _is_quantized(node):
        if not hasattr(node, "dtype"):
            raise TypeError(
                f"the leaf {path_name(path)!r} is a {type(node).__name__}, neither an array nor a "
                "`Quantized`"
            )
        return node
    latent = jax.lax.stop_gradient(node.latent)
    value = _broadcast(node.levels[0], latent)
    distance = jnp.abs(jnp.abs(latent) - jax.lax.stop_gradient(value))
    for level in node.levels[1:]:
        other = _broadcast(level, latent)
        further = jnp.abs(jnp.abs(latent) - jax.lax.stop_gradient(other))
        value = jnp.where(further < distance, other, value)
        distance = jnp.minimum(distance, further)
    sign = jnp.sign(latent)
    # Adds exactly 0 to the value and the identity on the support to the derivative.
    identity = (node.latent - latent) * jnp.abs(sign)
    return value * sign + identity


def _broadcast(level: jax.Array, latent: jax.Array) -> jax.Array:
    """Return a level, of shape () or of one that broadcasts to the tensor's, for each entry."""
    return jnp.broadcast_to(jnp.expand_dims(level, range(latent.ndim - level.ndim)), latent.shape)
