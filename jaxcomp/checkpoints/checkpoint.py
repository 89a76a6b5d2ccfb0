"""Defines a checkpoint: named arrays of known shape and type, loaded one at a time."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.codec.dtypes import code_of
from jaxcomp.codec.names import EMPTY, Names


class CheckpointError(ValueError):
    """Says why a checkpoint cannot be read or written."""


class Entry(NamedTuple):
    """Describes an array before it is loaded.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.checkpoints import Entry
      >>> kernel = Entry(("layer", "kernel"), (20, 10), np.dtype("float32"))
      >>> kernel.name, kernel.elements, kernel.nbytes
      ('layer/kernel', 200, 800)
    """

    names: Names  # the path to it in nested dicts (str or int keys) and lists (int)
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def name(self) -> str:
        """Return the names joined by `/`."""
        return "/".join(map(str, self.names))

    @property
    def elements(self) -> int:
        """Return the number of entries of the array."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the array in memory."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True)
class Checkpoint:
    """Holds arrays by name, in a fixed order; only one of them at a time needs to be in memory.

    `open_checkpoint` makes one from a path.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.checkpoints import Checkpoint, Entry
      >>> entry = Entry(("kernel",), (2, 2), np.dtype("float64"))
      >>> checkpoint = Checkpoint((entry,), lambda entry: np.ones(entry.shape, entry.dtype))
      >>> checkpoint.nbytes, float(checkpoint.load(entry).sum())
      (32, 4.0)
    """

    entries: tuple[Entry, ...]
    load: Callable[[Entry], np.ndarray]  # may share memory with the checkpoint: do not change it
    empty: tuple[Names, ...] = ()  # names of dicts without entries
    metadata: Mapping[str, str] = field(default_factory=dict)  # text about the whole
    remarks: tuple[str, ...] = ()  # sentences that say which parts are in none of these, and why
    shard_of: Mapping[Names, str] = field(default_factory=dict)  # files, if there are several

    @property
    def nbytes(self) -> int:
        """Return the bytes of all arrays in memory."""
        return sum(entry.nbytes for entry in self.entries)


def entry(names: Names, shape: tuple[int, ...], dtype: Any) -> Entry:
    """Return an Entry whose type a `.jxc` file can hold.

    Raises:
      CheckpointError: if a file cannot hold it, such as text, objects and complex numbers.
    """
    found = Entry(names, tuple(shape), np.dtype(dtype))
    try:
        code_of(found.dtype)
    except TypeError as error:
        raise CheckpointError(f"{found.name!r}: {error}") from error
    return found


def leaves(node: Any, names: Names = ()) -> Iterator[tuple[Names, Any]]:
    """Yield names and leaves of nested dicts, lists and tuples; an empty one is the leaf EMPTY."""
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
