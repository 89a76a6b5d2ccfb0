"""Weights of a finished network made few-valued, without training."""

from typing import Any, NamedTuple

import numpy as np

from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.quantize import dequantize, ternarize
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
    params: PyTree, *, sparsity: float = 0.0, ternary: bool = False, mask: Mask | None = None
) -> Compressed:
    """Prune and quantise the weights of a network in one shot.

    Without further training this costs accuracy; how much is for the caller to measure.

    Args:
      params: tree of arrays.
      sparsity: fraction of the weights to set to zero, in [0, 1): the smallest over all tensors.
      ternary: make what is left ternary, with the level of the theorem in each tensor.
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
    if ternary:
        changed = dequantize(ternarize(changed, mask=chosen))
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
