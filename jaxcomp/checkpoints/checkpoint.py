"""What a checkpoint is here: named arrays of known shape and type, loaded one at a time."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.codec.dtypes import code_of
from jaxcomp.codec.names import EMPTY, Names


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written; the message says why."""


class Entry(NamedTuple):
    """Describes an array before it is loaded."""

    names: Names  # the path to it in nested dicts (str or int keys) and lists (int)
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def name(self) -> str:
        """The names joined by `/`."""
        return "/".join(map(str, self.names))

    @property
    def elements(self) -> int:
        """The number of entries of the array."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of the array in memory."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True)
class Checkpoint:
    """Arrays by name, in a fixed order, of which one at a time needs to be in memory."""

    entries: tuple[Entry, ...]
    load: Callable[[Entry], np.ndarray]  # may share memory with the checkpoint: do not change it
    empty: tuple[Names, ...] = ()  # where there are dicts without entries
    metadata: Mapping[str, str] = field(default_factory=dict)  # text about the whole
    remarks: tuple[str, ...] = ()  # what of it is in none of these, and why
    shard_of: Mapping[Names, str] = field(default_factory=dict)  # the file, if there are several

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays in memory."""
        return sum(entry.nbytes for entry in self.entries)


def entry(names: Names, shape: tuple[int, ...], dtype: Any) -> Entry:
    """An Entry whose type a `.jxc` file can hold.

    Raises:
      CheckpointError: if it cannot, as for text, objects and complex numbers.
    """
    found = Entry(names, tuple(shape), np.dtype(dtype))
    try:
        code_of(found.dtype)
    except TypeError as error:
        raise CheckpointError(f"{found.name!r}: {error}") from error
    return found


def leaves(node: Any, names: Names = ()) -> Iterator[tuple[Names, Any]]:
    """Names and leaves of nested dicts, lists and tuples; one without entries is the leaf EMPTY."""
    if isinstance(node, Mapping):
        children = node.items()
    elif isinstance(node, list | tuple):
        children = enumerate(node)
    else:
        yield names, node
        return
    if names and not node:
        yield names, EMPTY
    for key, child in children:
        yield from leaves(child, (*names, key))
