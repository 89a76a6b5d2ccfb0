"""Parameters that are trained in one form and used in another.

Such a node takes the place of an array in a parameter tree: a weight with its gate
(`jaxcomp.losses.Gated`), latent weights with their levels (`jaxcomp.quantize.Quantized`), numbers
that are rounded to a few bits (`jaxcomp.quantize.Rounded`). A training loop moves the arrays inside
of it; the network is run with the `values` of the tree.
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import jax

from jaxcomp.trees import PyTree, path_name, resolve_entries

__all__ = ["Parametrized", "latent_mask", "values"]


class Parametrized(ABC):
    """Stands for an array in a parameter tree.

    Subclasses are dataclasses that `jax.tree_util.register_dataclass` knows.
    """

    @abstractmethod
    def value(self, key: jax.Array | None) -> jax.Array:
        """Return the array that the node stands for.

        Args:
          key: for those that are drawn at random while they are trained; None for the array that
            stays when training ends.
        """

    @abstractmethod
    def mask(self, keep: jax.Array) -> Self:
        """Return the same node of a mask (see `latent_mask`).

        Args:
          keep: bool, of the shape of the array that the node stands for.
        """


def values(params: PyTree, key: jax.Array | None = None) -> PyTree:
    """Replace `Parametrized` nodes by the arrays that they stand for.

    Args:
      params: tree of arrays and `Parametrized` nodes.
      key: random key, another one at each training step, for nodes that are drawn at random; None
        for the arrays that stay when training ends.

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
    """Turn a mask of arrays into one of a tree with `Parametrized` nodes, for `keep_masked`.

    Args:
      params: tree of arrays and `Parametrized` nodes.
      keep: tree of bool arrays, with one for each node and each other leaf.

    Returns:
      The tree of `params`, with `keep` for what is zero where a node's array is, and True for all
      else in it, such as levels.

    Raises:
      ValueError: if the structure or a shape does not fit.
      TypeError: if a leaf of `keep` is not boolean.
    """
    arrays = jax.eval_shape(values, params)
    return jax.tree.map(
        lambda node, own: node.mask(own) if is_parametrized(node) else own,
        params,
        resolve_entries(keep, arrays),
        is_leaf=is_parametrized,
    )


def is_parametrized(node: Any) -> bool:
    """Tell whether a node of a tree stands for an array."""
    return isinstance(node, Parametrized)
