"""Weights of a finished network made few-valued, without training."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.trees import Mask, named_leaves, resolve_mask

PyTree = Any


class TensorChange(NamedTuple):
    """What was done to one array."""

    name: str
    elements: int
    nonzeros: int
    relative_error: float  # ||w - q||_2 / ||w||_2; 0 for the zero vector


class Compressed(NamedTuple):
    """A network with few-valued weights."""

    params: PyTree
    changes: tuple[TensorChange, ...]  # of every array, in tree order


def compress(
    params: PyTree,
    *,
    sparsity: float = 0.0,
    quantizer: Callable[[Any], Any] | None = None,
    mask: Mask | None = None,
) -> Compressed:
    """Prune and quantise the weights of a network in one shot.

    Without further training this costs accuracy; how much is for the caller to measure.

    Args:
      params: tree of arrays.
      sparsity: fraction of the weights to set to zero, in [0, 1): the smallest over all tensors.
      quantizer: function from an array to one of the same shape and type with few values that
        leaves exact zeros alone, such as `lambda w: jaxcomp.quantize.codebook(w, 16)`.
      mask: which leaves are weights (see `jaxcomp.compressibility_tree`); others are untouched.

    Raises:
      ValueError: if `sparsity` is outside [0, 1), or the mask selects nothing that is to change.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is the fraction of weights to drop, in [0, 1), got {sparsity}")
    chosen = resolve_mask(mask, params)
    changed = params
    if sparsity:
        changed = apply_mask(changed, top_k_mask(changed, 1 - sparsity, mask=chosen))
    if quantizer is not None:
        changed = jax.tree.map(lambda m, w: quantizer(w) if m else w, chosen, changed)
    before = named_leaves(params)
    changes = tuple(_change(name, before[name], q) for name, q in named_leaves(changed).items())
    return Compressed(changed, changes)


def _change(name: str, w: Any, q: Any) -> TensorChange:
    w, q = np.asarray(w), np.asarray(q)
    error = 0.0
    if w.dtype.kind not in "biu" and not np.array_equal(w, q):
        exact = w.astype(np.float64)
        error = float(np.linalg.norm(exact - q.astype(np.float64)) / np.linalg.norm(exact))
    return TensorChange(name, w.size, int(np.count_nonzero(q)), error)
