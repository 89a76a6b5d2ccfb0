"""`.msgpack` files: nested dicts, as flax writes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, entry, leaves


@contextmanager
def open_msgpack(path: Path) -> Iterator[Checkpoint]:
    """The arrays of a file, all of which are in memory: the format cannot be read in parts."""
    from flax.serialization import msgpack_restore

    tree = msgpack_restore(path.read_bytes())
    if not isinstance(tree, dict):
        raise CheckpointError(f"it holds a {type(tree).__name__} instead of a dict of arrays")
    arrays = {names: np.asarray(leaf) for names, leaf in leaves(tree)}
    entries = tuple(entry(names, array.shape, array.dtype) for names, array in arrays.items())
    yield Checkpoint(entries, lambda wanted: arrays[wanted.names])
