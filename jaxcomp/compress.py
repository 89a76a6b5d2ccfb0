"""From weights to a `.jxc` file in one shot: prune, round, encode, tensor by tensor."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.checkpoints import Checkpoint, Entry
from jaxcomp.codec import Writer
from jaxcomp.codec.levels import Quantised
from jaxcomp.codec.names import EMPTY, flatten
from jaxcomp.prune.streamed import keep_above, kth_largest
from jaxcomp.quantize.rate_distortion import rate_distortion

Quantizer = Callable[[np.ndarray], Quantised]
_FLOATS = ("float16", "bfloat16", "float32", "float64")


class TensorChange(NamedTuple):
    """What was done to one array."""

    name: str
    shape: tuple[int, ...]
    elements: int
    nonzeros: int
    relative_error: float  # ||w - q||_2 / ||w||_2; 0 for the zero vector


class Compressed(NamedTuple):
    """A file that was written."""

    file_bytes: int
    tensors: tuple[TensorChange, ...]


def compress(
    source: Checkpoint | Mapping[str | int, Any],
    path: str | os.PathLike,
    *,
    sparsity: float = 0.0,
    quantizer: Quantizer | None = None,
    trade: float = 0.0,
    bias_quantizer: Quantizer | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Compressed:
    r"""Prune and round the weights of a network, and write them to a `.jxc` file.

    Without further training this costs accuracy; how much is for the caller to measure. Weights are
    floating-point arrays of two axes or more; others are stored exactly, unless `bias_quantizer` is
    given. One array at a time is in memory, and the compressed bytes.

    Args:
      source: an open checkpoint or a nested dict of arrays.
      path: where to write; an existing file is replaced.
      sparsity: fraction of the weights to set to zero, in [0, 1): the smallest over all tensors.
      quantizer: function from a weight array to levels and a codebook that leaves exact zeros
        alone, such as `lambda w: codebook_levels(w, 16)` (see `jaxcomp.quantize.scalar`).
      trade: :math:`\lambda` of `jaxcomp.quantize.rate_distortion`.
      bias_quantizer: the same for floating-point arrays of one axis or none.
      progress: called with the bytes of each array that is done.

    Raises:
      ValueError: if `sparsity` is outside [0, 1), `trade` is given without a quantizer, a weight is
        not finite where it has to be rounded, or as `Writer.add`.
      TypeError, OSError: as `Writer.add`.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is the fraction of weights to drop, in [0, 1), got {sparsity}")
    if trade and quantizer is None:
        raise ValueError("lambda is for weights that are rounded: choose how")
    checkpoint = source if isinstance(source, Checkpoint) else in_memory(source)
    prune = _pruning(checkpoint, sparsity)
    changes = []
    with Writer(path) as writer:
        for entry in checkpoint.entries:
            before = checkpoint.load(entry)
            after: np.ndarray | Quantised = before
            if is_weight(entry):
                after = prune(before)
                if quantizer is not None:
                    pruned = after
                    after = _quantise(entry, quantizer, pruned)
                    if trade:
                        after = rate_distortion(pruned, after, trade)
            elif bias_quantizer is not None and entry.dtype.name in _FLOATS:
                after = _quantise(entry, bias_quantizer, before)
            if isinstance(after, Quantised):
                writer.add_levels(entry.names, *after)
                after = after.values()
            else:
                writer.add(entry.names, after)
            changes.append(_change(entry, before, after))
            progress(entry.nbytes)
    return Compressed(writer.file_bytes, tuple(changes))


def in_memory(params: Mapping[str | int, Any]) -> Checkpoint:
    """A nested dict of arrays as a checkpoint."""
    arrays = {names: np.asarray(leaf) for names, leaf in flatten(params) if leaf is not EMPTY}
    entries = tuple(Entry(names, array.shape, array.dtype) for names, array in arrays.items())
    return Checkpoint(entries, lambda entry: arrays[entry.names])


def is_weight(entry: Entry) -> bool:
    """Whether an array is one of weights: floating-point, of two axes or more, not empty."""
    return len(entry.shape) > 1 and entry.elements > 0 and entry.dtype.name in _FLOATS


def relative_error(before: np.ndarray, after: np.ndarray) -> float:
    """`||before - after||_2 / ||before||_2`; 0 if both are the same, bit for bit."""
    if before.dtype.kind in "biu" or before.tobytes() == after.tobytes():
        return 0.0
    exact, other = before.astype(np.float64), after.astype(np.float64)
    # Infinite weights that stay have no error.
    change = np.subtract(exact, other, out=np.zeros_like(exact), where=exact != other)
    norm = np.linalg.norm(exact)
    return float(np.linalg.norm(change) / norm) if norm else 0.0


def _pruning(checkpoint: Checkpoint, sparsity: float) -> Callable[[np.ndarray], np.ndarray]:
    weights = [entry for entry in checkpoint.entries if is_weight(entry)]
    count = sum(entry.elements for entry in weights)
    if not sparsity or not count:
        return lambda w: w

    def tensors() -> Iterator[np.ndarray]:
        return map(checkpoint.load, weights)

    threshold, ties = kth_largest(tensors, max(1, round((1 - sparsity) * count)))

    def prune(w: np.ndarray) -> np.ndarray:
        nonlocal ties
        pruned, ties = keep_above(w, threshold, ties)
        return pruned

    return prune


def _quantise(entry: Entry, quantizer: Quantizer, w: np.ndarray) -> Quantised:
    if not np.isfinite(w.astype(np.float64, copy=False)).all():
        raise ValueError(f"{entry.name!r} has values that are not finite, and cannot be rounded")
    try:
        return quantizer(w)
    except ValueError as error:
        raise ValueError(f"{entry.name!r}: {error}") from error


def _change(entry: Entry, before: np.ndarray, after: np.ndarray) -> TensorChange:
    nonzeros = int(np.count_nonzero(after))
    error = relative_error(before, after)
    return TensorChange(entry.name, entry.shape, entry.elements, nonzeros, error)
