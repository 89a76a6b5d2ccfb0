"""Lets parameters be trained in one form and used in another.

A `Parametrized` node takes the place of an array in a parameter tree: a weight with its gate
(`jaxcomp.losses.Gated`), latent weights with their levels (`jaxcomp.quantize.Quantized`), or
numbers that are rounded to a few bits (`jaxcomp.quantize.Rounded`). The optimizer updates the
arrays inside the node; the network runs on the `values` of the tree.
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import jax

from jaxcomp.trees import PyTree, path_name, resolve_entries

__all__ = ["Parametrized", "latent_mask", "values"]


class Parametrized(ABC):
    """Stands for an array in a parameter tree.

    A subclass is a dataclass that is registered by `jax.tree_util.register_dataclass`.

    Example:
      >>> from dataclasses import dataclass
      >>> import jax
      >>> import jax.numpy as jnp
      >>> @jax.tree_util.register_dataclass
      ... @dataclass(frozen=True)
      ... class Tied(Parametrized):  # a square matrix that stays symmetric
      ...     half: jax.Array
      ...     def value(self, key):
      ...         return self.half + self.half.T
      ...     def mask(self, keep):
      ...         return Tied(keep)
      >>> values({"kernel": Tied(jnp.array([[1.0, 2.0], [0.0, 3.0]]))})["kernel"].tolist()
      [[2.0, 2.0], [2.0, 6.0]]
    """

    @abstractmethod
    def value(self, key: jax.Array | None) -> jax.Array:
        """Return the array that the node stands for.

        Args:
          key: random key, for nodes that are drawn at random during training; None for the array
            that stays when training ends.
        """

    @abstractmethod
    def mask(self, keep: jax.Array) -> Self:
        """Return a node of the same class that holds a mask instead (see `latent_mask`).

        Args:
          keep: bool array with the shape of the array that the node stands for.
        """


def values(params: PyTree, key: jax.Array | None = None) -> PyTree:
    """Replace each `Parametrized` node by the array that it stands for.

    Args:
      params: tree of arrays and `Parametrized` nodes.
      key: random key for nodes that are drawn at random, a new one at each training step; None for
        the arrays that stay when training ends.

    Raises:
      TypeError: if a leaf is neither an array nor a `Parametrized`.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.quantize import ternarize
      >>> trained = ternarize({"kernel": jnp.array([[3.0, 0.0], [-1.0, 2.0]])})  # c = 14 / 6
      >>> (6 * values(trained)["kernel"]).round().tolist()
      [[14.0, 0.0], [-14.0, 14.0]]
    """
    nodes = jax.tree.leaves(params, is_leaf=is_parametrized)
    keys = iter(() if key is None else jax.random.split(key, max(1, len(nodes))))

    def value(path: tuple[Any, ...], node: Any) -> jax.Array:
        if is_parametrized(node):
            return node.value(next(keys, None))
        if not hasattr(node, "dtype"):
            raise TypeError(
                f"the leaf {path_name(path)!r} is a {type(node).__name__}, neither an array nor "
                "`Parametrized`"
            )
        return node

    return jax.tree_util.tree_map_with_path(value, params, is_leaf=is_parametrized)


def latent_mask(params: PyTree, keep: PyTree) -> PyTree:
    """Convert a mask of arrays to a mask of a tree with `Parametrized` nodes, for `keep_masked`.

    Args:
      params: tree of arrays and `Parametrized` nodes.
      keep: tree of bool arrays, one for each node and for each other leaf.

    Returns:
      A tree with the structure of `params`. The entries of `keep` stand where a zero makes the
      node's array zero; everything else in a node, such as its levels, is True.

    Raises:
      ValueError: if the structure or a shape does not fit.
      TypeError: if a leaf of `keep` is not boolean.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.quantize import ternarize
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-1.0, 2.0]])}
      >>> node = latent_mask(ternarize(params), {"kernel": params["kernel"] != 0})["kernel"]
      >>> node.latent.tolist(), node.levels
      ([[True, False], [True, True]], True)
    """
    arrays = jax.eval_shape(values, params)
    return jax.tree.map(
        lambda node, own: node.mask(own) if is_parametrized(node) else own,
        params,
        resolve_entries(keep, arrays),
        is_leaf=is_parametrized,
    )


def is_parametrized(node: Any) -> bool:
    """Return whether a node of a tree stands for an array."""
    return isinstance(node, Parametrized)
