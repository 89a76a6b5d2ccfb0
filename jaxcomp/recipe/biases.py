"""Rounds biases, and everything else that is not weights, to a few bits."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.quantize import Rounded
from jaxcomp.quantize.uniform import MAX_BITS
from jaxcomp.tracing import Network
from jaxcomp.trees import named_leaves, weight_mask
from jaxcomp.weights import is_variance

PyTree = Any


def with_rounded_biases(
    params: PyTree, trained: PyTree, bits: int, network: Network | None = None
) -> PyTree:
    """Return a tree with `Rounded` nodes in place of floating-point arrays that are not weights.

    Variances stay as they are: one that is rounded to zero would be a gain of several hundred.

    Args:
      params: tree of arrays.
      trained: the same tree, with nodes in place of some weights.
      bits: see `Rounded`; 0 leaves everything as it is.
      network: from `jaxcomp.trace`, which knows what the weights are.
    """
    if not bits:
        return trained
    structure: jax.tree_util.PyTreeDef = jax.tree.structure(params)
    weights = jax.tree.leaves(weight_mask(params, network=network))
    nodes = structure.flatten_up_to(trained)
    names = named_leaves(params)

    def is_rounded(name: str, is_weight: bool, array: Any) -> bool:
        return not (is_weight or is_variance(name)) and jnp.issubdtype(array.dtype, jnp.floating)

    return structure.unflatten(
        Rounded(node, bits) if is_rounded(name, is_weight, array) else node
        for node, is_weight, (name, array) in zip(nodes, weights, names.items(), strict=True)
    )


def check_bias_bits(name: str, bits: int) -> None:
    """Raise an error that names the argument unless the number of bits is 0 or possible."""
    wanted = f"from 2 to {MAX_BITS}, or 0 for none"
    check_number(name, bits, wanted, lambda b: b == 0 or 2 <= b <= MAX_BITS, integer=True)
