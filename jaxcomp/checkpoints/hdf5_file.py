"""Reads `.h5` files: arrays in groups, as Keras writes the weights of a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry
from jaxcomp.checkpoints.library import library


@contextmanager
def open_hdf5(path: Path) -> Iterator[Checkpoint]:
    """Yield the arrays of a file under the names of their groups; each is read when it is loaded.

    Raises:
      CheckpointError: if an array is in another file, since a file from elsewhere could name any
        file.
    """
    h5py = library("h5py", "keras")
    with h5py.File(path, "r") as file:
        entries, remarks = [], []

        def visit(name: str, item: Any) -> None:
            if not isinstance(item, h5py.Dataset):
                return
            if item.external or item.is_virtual:
                raise CheckpointError(f"{name!r} is in another file: make one file of both")
            if item.shape is None or item.dtype.kind not in "biufV":
                remarks.append(f"{name!r} is no array of numbers, and left out")
            else:
                entries.append(entry(tuple(name.split("/")), item.shape, item.dtype))

        file.visititems(visit)  # `visititems` follows no links to other files

        def load(wanted: Entry) -> np.ndarray:
            return file["/".join(map(str, wanted.names))][()]

        yield Checkpoint(tuple(entries), load, remarks=tuple(remarks))
