"""Parameter trees: the names of their leaves, and which leaves are weights."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

PyTree = Any
Mask = PyTree | Callable[[PyTree], PyTree]

# Also what is trained beside a tensor: its levels, the gates of its weights.
NOT_WEIGHTS = ("bias", "scale", "levels", "log_alpha")


def path_name(path: tuple[Any, ...]) -> str:
    """The name of a leaf, such as `Dense_0/kernel`, from its key path.

    Flax NNX wraps a leaf in a variable when an optimizer is initialised but not when it is updated;
    the trailing `value` of the wrapper is left out, so that both have the same name.
    """
    if path and isinstance(path[-1], jax.tree_util.GetAttrKey) and path[-1].name == "value":
        path = path[:-1]
    return jax.tree_util.keystr(path, simple=True, separator="/")


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """The leaves of `tree` by name, in tree order."""
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def weight_mask(params: PyTree) -> PyTree:
    """The default choice of what is penalised, pruned and quantised: weights, and nothing else.

    A leaf counts as weights if it is of floating-point type, has two or more axes, and is not
    called by one of `NOT_WEIGHTS`. So biases, normalisation parameters and scalars are left alone,
    a bias with several axes (attention heads) too.

    Args:
      params: tree of arrays or of `jax.ShapeDtypeStruct`.

    Returns:
      A tree of the same structure with a Python bool for each leaf.

    Raises:
      TypeError: if a leaf is not an array.
    """

    def is_weight(path: tuple[Any, ...], leaf: Any) -> bool:
        if not (hasattr(leaf, "dtype") and hasattr(leaf, "ndim")):
            raise TypeError(
                f"the leaf {path_name(path)!r} is a {type(leaf).__name__}, not an array: give the "
                "arrays alone, such as `eqx.filter(model, eqx.is_inexact_array)`"
            )
        last = path_name(path).rpartition("/")[2]
        floating = jnp.issubdtype(leaf.dtype, jnp.floating)
        return floating and leaf.ndim >= 2 and last not in NOT_WEIGHTS

    return jax.tree_util.tree_map_with_path(is_weight, params)


def resolve_mask(mask: Mask | None, params: PyTree) -> PyTree:
    """A full tree of masks from any of the forms in which a user may give one.

    Args:
      mask: None for `weight_mask`, a function from `params` to a mask, or a tree that has the
        structure of `params` or of a prefix of it.
      params: tree of arrays.

    Returns:
      A tree with the structure of `params` and the mask's leaf for each of its leaves.

    Raises:
      ValueError: if the mask's structure is not that of `params` nor of a prefix of it.
    """
    if mask is None:
        mask = weight_mask
    if _is_function(mask):
        mask = mask(params)
    try:
        return jax.tree.map(lambda m, part: jax.tree.map(lambda _: m, part), mask, params)
    except ValueError as error:
        raise ValueError(
            "the mask must have the tree structure of the parameters, or of a prefix of it: got "
            f"{jax.tree.structure(mask)} for {jax.tree.structure(params)}; a function such as "
            "`lambda params: jax.tree.map(lambda p: p.ndim > 1, params)` always fits"
        ) from error


def select(params: PyTree, mask: Mask | None) -> list[jax.Array]:
    """The leaves of `params` that `mask` (see `resolve_mask`) selects, in tree order.

    Raises:
      ValueError: if the mask selects nothing, since a penalty or a pruning of nothing is a mistake.
    """
    chosen = resolve_mask(mask, params)
    leaves = [p for m, p in zip(jax.tree.leaves(chosen), jax.tree.leaves(params), strict=True) if m]
    if not leaves:
        raise ValueError(
            f"the mask selects none of the leaves {list(named_leaves(params))}; "
            "give a mask that is True for at least one of them"
        )
    return leaves


def _is_function(mask: Mask) -> bool:
    # Not `callable(mask)`: a mask that is an Equinox module is callable, and is a tree of bools.
    leaves = jax.tree.leaves(mask)
    return bool(leaves) and all(callable(leaf) for leaf in leaves)
