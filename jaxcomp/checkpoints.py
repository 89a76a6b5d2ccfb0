"""Checkpoints of other programs as nested dicts of arrays, and back; no pickle.

| suffix         | what                                                         | read | written |
|----------------|--------------------------------------------------------------|------|---------|
| `.safetensors` | names as they are, such as `layer.0.weight`, in one flat dict | yes  | yes     |
| `.npz`         | the same                                                     | yes  | yes     |
| `.msgpack`     | nested dicts, from `flax.serialization.to_bytes`             | yes  | no      |
"""

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxcomp.files import replacing

NestedDict = dict[str | int, Any]


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written; the message says why."""


def read_checkpoint(path: str | os.PathLike) -> NestedDict:
    """The arrays of a checkpoint, by name.

    Raises:
      CheckpointError: if the suffix is unknown or the file is not what its suffix says.
      ImportError: if reading needs a package that is not installed.
      OSError: if the file cannot be read.
    """
    path = Path(path)
    reader = _choose(path, _READERS, "read")
    try:
        return reader(path)
    except (OSError, ImportError):
        raise
    except Exception as error:  # each reader has its own, not always documented, errors
        raise CheckpointError(f"not a valid {path.suffix} checkpoint: {error}") from error


def check_writable(path: str | os.PathLike) -> None:
    """Raises a CheckpointError unless `write_checkpoint` knows the suffix of `path`."""
    _choose(Path(path), _WRITERS, "write")


def write_checkpoint(path: str | os.PathLike, params: Mapping[str | int, Any]) -> None:
    """Write arrays under their names, nested ones joined by `/`. The file appears whole or not.

    Raises:
      CheckpointError: if the suffix is unknown, two names become the same, or the format cannot
        hold an array.
      ImportError: if writing needs a package that is not installed.
      OSError: if the file cannot be written.
    """
    path = Path(path)
    writer = _choose(path, _WRITERS, "write")
    flat: dict[str, np.ndarray] = {}
    for name, array in _flattened(params, ()):
        if name in flat:
            raise CheckpointError(f"two arrays would have the name {name!r}")
        flat[name] = array
    with replacing(path) as temporary:
        try:
            writer(temporary, flat)
        except (TypeError, KeyError, ValueError) as error:
            raise CheckpointError(f"{path.suffix} cannot hold this checkpoint: {error}") from error


def _flattened(node: Mapping, names: tuple) -> Iterator[tuple[str, np.ndarray]]:
    for key, child in node.items():
        if isinstance(child, Mapping):
            yield from _flattened(child, (*names, key))
        else:
            yield "/".join(map(str, (*names, key))), np.asarray(child)


def _choose(path: Path, table: Mapping[str, Callable], verb: str) -> Callable:
    if path.suffix not in table:
        raise CheckpointError(
            f"cannot {verb} checkpoints of type {path.suffix!r}: choose from {', '.join(table)}"
        )
    return table[path.suffix]


def _read_safetensors(path: Path) -> NestedDict:
    return _safetensors().load_file(path)


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError('this needs safetensors: pip install "jaxcomp[compress]"') from error
    return safetensors.numpy


def _write_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    # Not `ascontiguousarray`, which makes a scalar one-dimensional.
    _safetensors().save_file(
        {name: np.asarray(array, order="C") for name, array in arrays.items()}, path
    )


def _read_npz(path: Path) -> NestedDict:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except zipfile.BadZipFile as error:
        raise CheckpointError(str(error)) from error


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with open(path, "xb") as file:
        np.savez(file, **arrays)


def _read_msgpack(path: Path) -> NestedDict:
    from flax.serialization import msgpack_restore

    tree = msgpack_restore(path.read_bytes())
    if not isinstance(tree, dict):
        raise CheckpointError(f"it holds a {type(tree).__name__} instead of a dict of arrays")
    return tree


_READERS = {".safetensors": _read_safetensors, ".npz": _read_npz, ".msgpack": _read_msgpack}
_WRITERS = {".safetensors": _write_safetensors, ".npz": _write_npz}
