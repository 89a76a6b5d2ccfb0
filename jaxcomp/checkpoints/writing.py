"""Checkpoints for other programs."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from jaxcomp.checkpoints.checkpoint import CheckpointError
from jaxcomp.checkpoints.npz_file import write_npz
from jaxcomp.checkpoints.safetensors_file import write_safetensors
from jaxcomp.codec.names import Names, joined
from jaxcomp.files import check_replaceable, replacing

_WRITERS = {".safetensors": write_safetensors, ".npz": write_npz}


def check_writable(path: str | os.PathLike) -> None:
    """Check that `write_checkpoint` can write to `path`, before arrays are there.

    Raises:
      CheckpointError: if the suffix is unknown.
      OSError: if there is no folder for the file, or something is there that is not a file.
    """
    _writer(Path(path))
    check_replaceable(path)


def keeps_arrays(path: str | os.PathLike) -> bool:
    """Whether `write_checkpoint` to `path` has all arrays in memory at once."""
    return _writer(Path(path)) is write_safetensors


def write_checkpoint(
    path: str | os.PathLike,
    arrays: Iterable[tuple[Names, np.ndarray]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays under their names, joined by `/`. The file appears whole or not at all.

    A `.npz` file is written array by array; for a `.safetensors` file all arrays are in memory.

    Args:
      path: where to write; the suffix says in which format.
      arrays: names and arrays.
      metadata: text by key, for a `.safetensors` file; a `.npz` file has no place for it.

    Raises:
      CheckpointError: if the suffix is unknown, two names become the same, or the format cannot
        hold an array.
      OSError: if the file cannot be written.
    """
    path = Path(path)
    writer = _writer(path)
    with replacing(path) as temporary:
        try:
            writer(temporary, joined(arrays, CheckpointError), metadata or {})
        except (TypeError, KeyError) as error:
            raise CheckpointError(f"{path.suffix} cannot hold this checkpoint: {error}") from error


def _writer(
    path: Path,
) -> Callable[[Path, Iterable[tuple[str, np.ndarray]], Mapping[str, str]], None]:
    if path.suffix not in _WRITERS:
        raise CheckpointError(
            f"cannot write checkpoints of type {path.suffix!r}: choose from {', '.join(_WRITERS)}"
        )
    return _WRITERS[path.suffix]
