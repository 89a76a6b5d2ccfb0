"""Checkpoints for other programs."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxcomp.checkpoints.checkpoint import CheckpointError
from jaxcomp.checkpoints.npz_file import write_npz
from jaxcomp.checkpoints.safetensors_file import write_safetensors
from jaxcomp.checkpoints.shards import SHARDS, check_new, parse_shards, write_shards
from jaxcomp.codec.names import Names, joined
from jaxcomp.files import check_replaceable, replacing

_WRITERS = {".safetensors": write_safetensors, ".npz": write_npz}


def check_writable(path: str | os.PathLike) -> None:
    """Check that `write_checkpoint` can write to `path`, before arrays are there.

    Raises:
      CheckpointError: if the suffix is unknown.
      OSError: if there is no folder for the file, or something is there that is not a file; or, for
        shards, if there is anything.
    """
    path = Path(path)
    if is_folder(path):
        check_new(path)
    else:
        _writer(path)
        check_replaceable(path)


def is_folder(path: str | os.PathLike) -> bool:
    """Tell whether `write_checkpoint` writes a folder of shards: the path has no suffix."""
    return not Path(path).suffix


def write_checkpoint(
    path: str | os.PathLike,
    arrays: Iterable[tuple[Names, np.ndarray]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays under their names, joined by `/`. The file appears whole or not at all.

    Only the array at hand is in memory.

    Args:
      path: where to write; the suffix says in which format, and one without is a new folder of
        shards.
      arrays: names and arrays.
      metadata: text by key, for `.safetensors` files; a `.npz` file has no place for it. For a
        folder it has the files (see `jaxcomp.checkpoints.shards`).

    Raises:
      CheckpointError: if the suffix is unknown, two names become the same, the format cannot hold
        an array, or there are no shards for a folder.
      OSError: if the file cannot be written.
    """
    path, own = Path(path), dict(metadata or {})
    named = joined(arrays, CheckpointError)
    with _explained(path):
        if is_folder(path):
            shards = parse_shards(own)
            del own[SHARDS]
            write_shards(path, named, shards, own)
            return
        writer = _writer(path)
        own.pop(SHARDS, None)
        with replacing(path) as temporary:
            writer(temporary, named, own)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (TypeError, KeyError) as error:
        kind = path.suffix or "a folder of shards"
        raise CheckpointError(f"{kind} cannot hold this checkpoint: {error}") from error


def _writer(
    path: Path,
) -> Callable[[Path, Iterable[tuple[str, np.ndarray]], Mapping[str, str]], Any]:
    if path.suffix not in _WRITERS:
        raise CheckpointError(
            f"cannot write checkpoints of type {path.suffix!r}: choose from {', '.join(_WRITERS)}, "
            "or a folder for shards"
        )
    return _WRITERS[path.suffix]
