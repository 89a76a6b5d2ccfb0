"""From weights to a `.jxc` file in one shot: prune, round, encode, tensor by tensor."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcomp.checkpoints import (
    Checkpoint,
    Entry,
    UnitAxis,
    check_any,
    describe_axes,
    of_network,
    unit_axis,
)
from jaxcomp.codec import Writer
from jaxcomp.codec.levels import Quantised
from jaxcomp.codec.metadata import names_of
from jaxcomp.codec.names import EMPTY, check_names, flatten
from jaxcomp.prune.streamed import keep_above, kth_largest, with_floor
from jaxcomp.quantize.error import Error, error_of, total, trimmed_error
from jaxcomp.quantize.rate_distortion import rate_distortion
from jaxcomp.weights import are_weights, is_variance, scale_integers

# From an array, and where there is a level for each output unit from their `axis`.
Quantizer = Callable[..., Quantised]


class TensorChange(NamedTuple):
    """What was done to one array."""

    name: str
    shape: tuple[int, ...]
    elements: int
    nonzeros: int
    relative_error: float  # ||w - q||_2 / ||w||_2; 0 for the zero vector
    trimmed_error: float  # the same without the thousandth of largest magnitude


class Compressed(NamedTuple):
    """A file that was written."""

    file_bytes: int
    tensors: tuple[TensorChange, ...]
    relative_error: float  # of all arrays that were pruned or rounded, as one vector
    left_out: tuple[Entry, ...]  # arrays that are not of the network
    remarks: tuple[str, ...]  # on what else of the checkpoint is not in the file as it was
    unit_axes: tuple[str, ...]  # on which axes the output units were taken to be


def compress(
    source: Checkpoint | Mapping[str | int, Any],
    path: str | os.PathLike,
    *,
    only: str | None = None,
    exclude: str | None = None,
    keep_state: bool = False,
    sparsity: float = 0.0,
    floor: float = 0.0,
    quantizer: Quantizer | None = None,
    trade: float = 0.0,
    per_unit: bool = False,
    units_on: int | None = None,
    bias_quantizer: Quantizer | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Compressed:
    r"""Prune and round the weights of a network, and write them to a `.jxc` file.

    Without further training this costs accuracy; how much is for the caller to measure. Of the
    state of a training only the network is written: what lies under `params`, or, where there is no
    such name, what does not lie under `opt_state`, `batch_stats`, `step` or `ema`. Weights are
    those of `jaxcomp.trees.weight_mask`; others are stored exactly, unless `bias_quantizer` is
    given. Scales of quantized weights and variances are stored exactly in any case. One array at a
    time is in memory, and the compressed bytes.

    Args:
      source: an open checkpoint or a nested dict of arrays.
      path: where to write; an existing file is replaced.
      only: regular expression; arrays that have a match in their name are the network.
      exclude: regular expression; arrays that have a match in their name are not.
      keep_state: write what is not of the network too, exactly.
      sparsity: fraction of the weights to set to zero, in [0, 1): the smallest over all tensors.
      floor: fraction of each tensor to keep whatever others have, from 0 to 1 - `sparsity`; at
        least one weight unless it is 0.
      quantizer: function from a weight array to levels and a codebook that leaves exact zeros
        alone, such as `lambda w: codebook_levels(w, 16)` (see `jaxcomp.quantize.scalar`).
      per_unit: give `quantizer` the `axis` of the output units, for a level or a step for each, as
        `ternary_levels` and `bits_levels` have them.
      units_on: that axis, of all weights. By default it is found for each array by
        `jaxcomp.checkpoints.unit_axis`, from the metadata or the array's name; `unit_axes` of the
        result says which it was.
      trade: :math:`\lambda` of `jaxcomp.quantize.rate_distortion`.
      bias_quantizer: the same for floating-point arrays of one axis or none. An array of positive
        numbers of which it would make zeros is stored exactly.
      progress: called with the bytes of each array that is done.

    Raises:
      ValueError: if `sparsity` is outside [0, 1) or `floor` outside of its bounds, `trade` or
        `per_unit` is given without a quantizer, or `units_on` without `per_unit`, an array has no
        such axis, `only` or `exclude` is no regular expression, no array is left, a weight is not
        finite where it has to be rounded, or as `Writer.add`.
      TypeError, OSError: as `Writer.add`.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is the fraction of weights to drop, in [0, 1), got {sparsity}")
    if not 0 <= floor <= 1 - sparsity + 1e-9:
        raise ValueError(
            f"floor is the fraction of each tensor to keep, from 0 to {1 - sparsity:g}, got {floor}"
        )
    if trade and quantizer is None:
        raise ValueError("lambda is for weights that are rounded: choose how")
    if per_unit and quantizer is None:
        raise ValueError("per_unit is for weights that are rounded: give a quantizer")
    if units_on is not None and not per_unit:
        raise ValueError(f"units_on={units_on} is for levels of units: give per_unit=True")
    checkpoint = source if isinstance(source, Checkpoint) else in_memory(source)
    entries = checkpoint.entries
    places = [entry.names for entry in entries] + list(checkpoint.empty)
    chosen = of_network(places, only, exclude)
    if not keep_state:
        check_any([entry.names for entry in entries], chosen[: len(entries)])
    named = [(entry.name, entry) for entry in entries]
    weights = [
        one and is_weight and entry.elements > 0
        for one, is_weight, entry in zip(chosen, are_weights(named), entries, strict=False)
    ]
    scales = scale_integers(named)
    metadata, remarks = _metadata_that_fits(checkpoint)
    axes: dict[Entry, UnitAxis] = {}
    if per_unit:
        of_weights = [entry for entry, one in zip(entries, weights, strict=True) if one]
        axes = {entry: unit_axis(entry, checkpoint.metadata, units_on) for entry in of_weights}
    prune = _pruning(checkpoint, weights, sparsity, floor)
    changes, errors, left_out = [], [], []
    with Writer(path) as writer:
        writer.add_metadata(metadata)
        for entry, one, is_weight, scale in zip(entries, chosen, weights, scales, strict=False):
            if not one and not keep_state:
                left_out.append(entry)
                progress(entry.nbytes)
                continue
            before = checkpoint.load(entry)
            after: np.ndarray | Quantised = before
            if is_weight:
                after = prune(before)
                if quantizer is not None:
                    pruned = after
                    own = {"axis": axes[entry].axis} if per_unit else {}
                    after = _quantise(entry, partial(quantizer, **own), pruned)
                    if trade:
                        after = rate_distortion(pruned, after, trade)
            elif one and bias_quantizer is not None and _is_bias(entry) and not scale:
                after = _positive_stay(before, _quantise(entry, bias_quantizer, before))
            if isinstance(after, Quantised):
                writer.add_levels(entry.names, *after)
                after = after.values()
            else:
                writer.add(entry.names, after)
            change, error = _change(entry, before, after)
            changes.append(change)
            errors.append(error)
            progress(entry.nbytes)
        for names, one in zip(checkpoint.empty, chosen[len(entries) :], strict=True):
            if one or keep_state:
                writer.add_empty_dict(names)
    error = total(errors).relative
    found = describe_axes(axes.values())
    return Compressed(writer.file_bytes, tuple(changes), error, tuple(left_out), remarks, found)


def in_memory(params: Mapping[str | int, Any]) -> Checkpoint:
    """A nested dict of arrays as a checkpoint."""
    leaves = list(flatten(params))
    arrays = {names: np.asarray(leaf) for names, leaf in leaves if leaf is not EMPTY}
    entries = tuple(Entry(names, array.shape, array.dtype) for names, array in arrays.items())
    empty = tuple(names for names, leaf in leaves if leaf is EMPTY)
    return Checkpoint(entries, lambda entry: arrays[entry.names], empty)


def _is_bias(entry: Entry) -> bool:
    """Whether an array that is not of weights is one of numbers that may be rounded."""
    floating = jnp.issubdtype(entry.dtype, jnp.floating)
    return floating and entry.elements > 0 and not is_variance(entry.name)


def _positive_stay(before: np.ndarray, rounded: Quantised) -> Quantised | np.ndarray:
    """What was rounded, unless all numbers were positive and some are zero now."""
    return before if (before > 0).all() and not rounded.levels.all() else rounded


def _metadata_that_fits(checkpoint: Checkpoint) -> tuple[dict[str, str], tuple[str, ...]]:
    """The metadata that a file can hold, and remarks on all that it does not."""
    metadata, remarks = {}, list(checkpoint.remarks)
    for key, text in checkpoint.metadata.items():
        try:
            for names in names_of({key: text}):
                check_names(names)
        except ValueError:
            remarks.append(f"the metadata {key!r} is too long, and left out")
        else:
            metadata[key] = text
    return metadata, tuple(remarks)


def _pruning(
    checkpoint: Checkpoint, weights: list[bool], sparsity: float, floor: float
) -> Callable[[np.ndarray], np.ndarray]:
    pruned = [entry for entry, one in zip(checkpoint.entries, weights, strict=True) if one]
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


def _quantise(entry: Entry, quantizer: Quantizer, w: np.ndarray) -> Quantised:
    if not np.isfinite(w.astype(np.float64, copy=False)).all():
        raise ValueError(f"{entry.name!r} has values that are not finite, and cannot be rounded")
    try:
        return quantizer(w)
    except ValueError as error:
        raise ValueError(f"{entry.name!r}: {error}") from error


def _change(entry: Entry, before: np.ndarray, after: np.ndarray) -> tuple[TensorChange, Error]:
    error, trimmed = Error(0.0, 0.0), 0.0
    if after is not before:
        error, trimmed = error_of(before, after), trimmed_error(before, after)
    nonzeros = int(np.count_nonzero(after))
    known = entry.name, entry.shape, entry.elements, nonzeros
    return TensorChange(*known, error.relative, trimmed), error
