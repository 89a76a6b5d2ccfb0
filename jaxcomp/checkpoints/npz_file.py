"""`.npz` files: a zip archive with a `.npy` file for each array."""

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.lib.npyio import NpzFile

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@contextmanager
def open_npz(path: Path) -> Iterator[Checkpoint]:
    """The arrays of a file, in its order; each is read when it is loaded."""
    with open(path, "rb") as file, NpzFile(file, allow_pickle=False) as archive:

        def load(wanted: Entry) -> np.ndarray:
            return archive[wanted.names[0]]

        yield Checkpoint(tuple(_entries(archive)), load)


def write_npz(path: Path, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write a file, array by array.

    Raises:
      CheckpointError: if an array is of a type that numpy's files do not know, such as bfloat16.
    """
    with zipfile.ZipFile(path, "x") as archive:
        for name, array in arrays:
            if array.dtype.kind == "V":
                raise CheckpointError(f"{name!r} is of type {array.dtype.name}")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def _entries(archive: NpzFile) -> Iterator[Entry]:
    members = set(archive.zip.namelist())
    for name in archive.files:
        with archive.zip.open(name if name in members else f"{name}.npy") as member:
            version = npy.read_magic(member)
            if version not in _HEADERS:
                raise CheckpointError(f"{name!r} has fields, and is no array of numbers")
            shape, _, dtype = _HEADERS[version](member)
        yield entry((name,), shape, dtype)
