"""Writes checkpoints for other programs."""

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
    """Check that `write_checkpoint` can write to `path`, before there are arrays.

    Raises:
      CheckpointError: if the suffix is unknown.
      OSError: if the folder of the file does not exist, or the path is taken by something that is
        not a file; or, for shards, by anything.

    Example:
      >>> import tempfile
      >>> from jaxcomp.checkpoints import check_writable
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     check_writable(f"{folder}/model.safetensors")
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
    """Write arrays under their names, joined by `/`; the file appears whole or not at all.

    Memory holds only the current array.

    Args:
      path: where to write. The suffix tells the format; a path without one is a new folder of
        shards.
      arrays: names and arrays.
      metadata: text by key, for `.safetensors` files; a `.npz` file has no place for it. For a
        folder, it names the files (see `jaxcomp.checkpoints.shards`).

    Raises:
      CheckpointError: if the suffix is unknown, two names become the same, the format cannot hold
        an array, or there are no shards for a folder.
      OSError: if the file cannot be written.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp.checkpoints import write_checkpoint
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_checkpoint(f"{folder}/model.npz", [(("layer", "kernel"), np.eye(2))])
      ...     print(np.load(f"{folder}/model.npz")["layer/kernel"])
      [[1. 0.]
       [0. 1.]]
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
