"""Sorts the arrays of a checkpoint into weights, biases and others, and writes them."""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcomp.checkpoints import Checkpoint, Entry, check_any, of_network
from jaxcomp.checkpoints.shards import SHARDS, shards_text
from jaxcomp.codec import Writer
from jaxcomp.codec.levels import FewValued
from jaxcomp.codec.metadata import names_of
from jaxcomp.codec.names import EMPTY, NestedMapping, check_names, flatten
from jaxcomp.quantize.error import Error, error_of, total, trimmed_error
from jaxcomp.weights import are_weights, is_variance, scale_integers

Array = FewValued | np.ndarray  # the forms in which a file stores an array
Stored = Mapping[str, Array]  # arrays that are stored in another form, by name
Round = Callable[[Entry, np.ndarray], Array]  # from an array and its values to the form to store


class TensorChange(NamedTuple):
    """Reports what was done to one array."""

    name: str
    shape: tuple[int, ...]
    elements: int
    nonzeros: int
    relative_error: float  # ||w - q||_2 / ||w||_2; 0 for the zero vector
    trimmed_error: float  # the same without the thousandth of the largest magnitudes


class Written(NamedTuple):
    """Describes a file that was written."""

    file_bytes: int
    tensors: tuple[TensorChange, ...]
    relative_error: float  # error of all arrays that were changed, as one vector
    left_out: tuple[Entry, ...]


class Arrays:
    """Sorts the arrays of a checkpoint by what they are.

    Attributes:
      weights: arrays of the network that are weights, in order.
      biases: other floating-point arrays of the network that may be rounded.
      stored: all arrays that a file gets.
      remarks: sentences that say what a file does not get.
    """

    def __init__(
        self, checkpoint: Checkpoint, only: str | None, exclude: str | None, keep_state: bool
    ) -> None:
        entries = checkpoint.entries
        places = [entry.names for entry in entries] + list(checkpoint.empty)
        chosen = of_network(places, only, exclude)
        if not keep_state:
            check_any([entry.names for entry in entries], chosen[: len(entries)])
        named = [(entry.name, entry) for entry in entries]
        each = list(zip(entries, chosen, are_weights(named), scale_integers(named), strict=False))
        self.checkpoint = checkpoint
        self.weights = [e for e, one, is_weight, _ in each if one and is_weight and e.elements]
        taken = set(self.weights)
        self.biases = [
            e for e, one, _, scale in each if one and not scale and e not in taken and _is_bias(e)
        ]
        self.stored = [entry for entry, one, *_ in each if one or keep_state]
        self._empty = [
            names
            for names, one in zip(checkpoint.empty, chosen[len(entries) :], strict=True)
            if one or keep_state
        ]
        metadata = dict(checkpoint.metadata)
        if checkpoint.shard_of:
            metadata[SHARDS] = shards_text(checkpoint, self.stored)
        self._metadata, remarks = _metadata_that_fits(metadata)
        self.remarks = checkpoint.remarks + remarks

    def write(
        self, path: str | os.PathLike, after: Round, progress: Callable[[int], None]
    ) -> Written:
        """Write what `after` returns for each array; call `progress` with the bytes of each."""
        changes, errors, left_out = [], [], []
        stored = set(self.stored)
        with Writer(path, threads=None) as writer:
            writer.add_metadata(self._metadata)
            for entry in self.checkpoint.entries:
                if entry in stored:
                    before = self.checkpoint.load(entry)
                    new = after(entry, before)
                    if isinstance(new, FewValued):
                        writer.add_levels(entry.names, *new)
                    else:
                        writer.add(entry.names, new)
                    change, error = _change(entry, before, values_of(new))
                    changes.append(change)
                    errors.append(error)
                else:
                    left_out.append(entry)
                progress(entry.nbytes)
            for names in self._empty:
                writer.add_empty_dict(names)
        error = total(errors).relative
        return Written(writer.file_bytes, tuple(changes), error, tuple(left_out))


def values_of(stored: Array) -> np.ndarray:
    """Return the values that are read back of an array."""
    return stored.values() if isinstance(stored, FewValued) else stored


def as_stored(stored: Stored) -> Round:
    """Return a function that stores these arrays, and all others as they are."""
    return lambda entry, before: stored.get(entry.name, before)


def entropy_bytes(stored: Stored) -> float:
    """Return about how many bytes arrays take, by the entropy of the levels of each array."""
    return sum(
        one.bits() / 8 if isinstance(one, FewValued) else one.nbytes for one in stored.values()
    )


def in_memory(params: NestedMapping) -> Checkpoint:
    """Return a nested dict of arrays as a checkpoint.

    Raises:
      TypeError: if it is another tree.
    """
    if not isinstance(params, Mapping):
        raise TypeError(
            "compress takes an open checkpoint or a nested dict of arrays, got a "
            f"{type(params).__name__}: `jaxcomp.trees.named_leaves(tree)` makes a dict of any tree"
        )
    leaves = list(flatten(params))
    arrays = {names: np.asarray(leaf) for names, leaf in leaves if leaf is not EMPTY}
    entries = tuple(Entry(names, array.shape, array.dtype) for names, array in arrays.items())
    empty = tuple(names for names, leaf in leaves if leaf is EMPTY)
    return Checkpoint(entries, lambda entry: arrays[entry.names], empty)


def _is_bias(entry: Entry) -> bool:
    """Tell whether an array that does not hold weights has numbers that may be rounded."""
    floating = jnp.issubdtype(entry.dtype, jnp.floating)
    return floating and entry.elements > 0 and not is_variance(entry.name)


def _metadata_that_fits(given: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the metadata that a file can hold, and remarks on everything else."""
    metadata, remarks = {}, []
    for key, text in given.items():
        try:
            for names in names_of({key: text}):
                check_names(names)
        except ValueError:
            remarks.append(f"the metadata {key!r} is too long, and left out")
        else:
            metadata[key] = text
    return metadata, tuple(remarks)


def _change(entry: Entry, before: np.ndarray, after: np.ndarray) -> tuple[TensorChange, Error]:
    error, trimmed = Error(0.0, 0.0), 0.0
    if after is not before:
        error, trimmed = error_of(before, after), trimmed_error(before, after)
    nonzeros = int(np.count_nonzero(after))
    known = entry.name, entry.shape, entry.elements, nonzeros
    return TensorChange(*known, error.relative, trimmed), error
