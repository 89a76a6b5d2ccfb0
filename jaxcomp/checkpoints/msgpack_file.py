"""Reads `.msgpack` files: nested dicts, as flax writes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, entry, leaves
from jaxcomp.codec.names import EMPTY, join

# Each number is an array of its own. It takes a millisecond, and may be one byte of the file.
_MAX_NUMBERS = 10_000


@contextmanager
def open_msgpack(path: Path) -> Iterator[Checkpoint]:
    """Yield the arrays of a file, all in memory, since the format cannot be read in parts."""
    from flax.serialization import msgpack_restore

    tree = msgpack_restore(path.read_bytes())
    if not isinstance(tree, dict):
        raise CheckpointError(f"it holds a {type(tree).__name__} instead of a dict of arrays")
    arrays, empty, remarks, numbers = {}, [], [], 0
    for names, leaf in leaves(tree):
        if leaf is None or leaf is EMPTY:
            empty.append(names)
        if leaf is None:
            remarks.append(f"{join(names)} is None: a dict without entries stands for it")
        elif isinstance(leaf, str | bytes):
            remarks.append(f"{join(names)} is text, and left out")
        elif leaf is not EMPTY:
            numbers += np.ndim(leaf) == 0
            arrays[names] = leaf
    if numbers > _MAX_NUMBERS:
        raise CheckpointError(
            f"it holds {numbers:,} single numbers, more than {_MAX_NUMBERS:,}: make arrays of them"
        )
    arrays = {names: np.asarray(leaf) for names, leaf in arrays.items()}
    entries = tuple(entry(names, array.shape, array.dtype) for names, array in arrays.items())
    yield Checkpoint(
        entries, lambda wanted: arrays[wanted.names], tuple(empty), remarks=tuple(remarks)
    )
