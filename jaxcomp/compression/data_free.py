"""Prunes and rounds weights without data."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from jaxcomp.checkpoints import Checkpoint, Entry, UnitAxis
from jaxcomp.codec.levels import FewValued
from jaxcomp.compression.arrays import Array, Arrays, Round
from jaxcomp.prune.streamed import keep_above, kth_largest, with_floor
from jaxcomp.quantize.rate_distortion import rate_distortion
from jaxcomp.quantize.scalar import bits_levels

# A quantizer takes an array and, for a level of each output unit, their `axis`.
Quantizer = Callable[..., FewValued]


def bits_of(bits: int) -> Quantizer:
    """Return the quantizer to multiples of a step, with so many bits."""
    return partial(bits_levels, bits=bits)


def round_alone(
    arrays: Arrays,
    quantizer: Quantizer | None,
    bias_quantizer: Quantizer | None,
    *,
    trade: float = 0.0,
    axes: Mapping[Entry, UnitAxis] | None = None,
    sparsity: float = 0.0,
    floor: float = 0.0,
) -> Round:
    """Return a function that rounds each array; arguments as for `jaxcomp.compress`.

    Args:
      arrays: all arrays, since pruning ranks weights across them.
      axes: axes of the units, if units have their own levels.
    """
    weights, biases = set(arrays.weights), set(arrays.biases)
    prune = _pruning(arrays.checkpoint, arrays.weights, sparsity, floor)

    def after(entry: Entry, before: np.ndarray) -> Array:
        if entry in weights:
            pruned = prune(before)
            if quantizer is None:
                return pruned
            own = {"axis": axes[entry].axis} if axes else {}
            rounded = _quantize(entry, partial(quantizer, **own), pruned)
            return rate_distortion(pruned, rounded, trade) if trade else rounded
        if entry in biases and bias_quantizer is not None:
            rounded = _quantize(entry, bias_quantizer, before)
            # Positive numbers that would partly become zero are probably gains.
            return before if (before > 0).all() and not rounded.levels.all() else rounded
        return before

    return after


def _pruning(
    checkpoint: Checkpoint, pruned: list[Entry], sparsity: float, floor: float
) -> Callable[[np.ndarray], np.ndarray]:
    if not sparsity or not pruned:
        return lambda w: w

    def kept_in_any_case(size: int) -> int:
        return max(1, round(floor * size)) if floor else 0

    def ranked(w: np.ndarray) -> np.ndarray:
        return with_floor(w, kept_in_any_case(w.size)) if floor else w

    def tensors() -> Iterator[np.ndarray]:
        return map(ranked, map(checkpoint.load, pruned))

    count = round((1 - sparsity) * sum(entry.elements for entry in pruned))
    least = sum(kept_in_any_case(entry.elements) for entry in pruned)
    threshold, ties = kth_largest(tensors, max(1, count, least))

    def prune(w: np.ndarray) -> np.ndarray:
        nonlocal ties
        kept, ties = keep_above(ranked(w), threshold, ties)
        return np.where(kept != 0, w, np.zeros_like(w)) if floor else kept

    return prune


def _quantize(entry: Entry, quantizer: Quantizer, w: np.ndarray) -> FewValued:
    check_finite(entry, w)
    try:
        return quantizer(w)
    except ValueError as error:
        raise ValueError(f"{entry.name!r}: {error}") from error


def check_finite(entry: Entry, w: np.ndarray) -> None:
    """Raise a ValueError that names the array if it has values that cannot be rounded."""
    if not np.isfinite(w.astype(np.float64, copy=False)).all():
        raise ValueError(f"{entry.name!r} has values that are not finite, and cannot be rounded")
