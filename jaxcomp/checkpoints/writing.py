"""Checkpoints for other programs."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from jaxcomp.checkpoints.checkpoint import CheckpointError
from jaxcomp.checkpoints.npz_file import write_npz
from jaxcomp.checkpoints.safetensors_file import check_library, write_safetensors
from jaxcomp.codec.names import Names
from jaxcomp.files import replacing

_WRITERS = {".safetensors": write_safetensors, ".npz": write_npz}


def check_writable(path: str | os.PathLike) -> None:
    """Check that `write_checkpoint` can write to `path`, before arrays are there.

    Raises:
      CheckpointError: if the suffix is unknown.
      ImportError: if writing needs a package that is not installed.
    """
    if _writer(Path(path)) is write_safetensors:
        check_library()


def write_checkpoint(path: str | os.PathLike, arrays: Iterable[tuple[Names, np.ndarray]]) -> None:
    """Write arrays under their names, joined by `/`. The file appears whole or not at all.

    A `.npz` file is written array by array; for a `.safetensors` file all arrays are in memory.

    Raises:
      CheckpointError: if the suffix is unknown, two names become the same, or the format cannot
        hold an array.
      ImportError: if writing needs a package that is not installed.
      OSError: if the file cannot be written.
    """
    path = Path(path)
    writer = _writer(path)
    with replacing(path) as temporary:
        try:
            writer(temporary, _joined(arrays))
        except (TypeError, KeyError) as error:
            raise CheckpointError(f"{path.suffix} cannot hold this checkpoint: {error}") from error


def _joined(arrays: Iterable[tuple[Names, np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
    taken = set()
    for names, array in arrays:
        name = "/".join(map(str, names))
        if name in taken:
            raise CheckpointError(f"two arrays would have the name {name!r}")
        taken.add(name)
        yield name, array


def _writer(path: Path) -> Callable[[Path, Iterable[tuple[str, np.ndarray]]], None]:
    if path.suffix not in _WRITERS:
        raise CheckpointError(
            f"cannot write checkpoints of type {path.suffix!r}: choose from {', '.join(_WRITERS)}"
        )
    return _WRITERS[path.suffix]
