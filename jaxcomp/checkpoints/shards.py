"""Reads and writes folders of `.safetensors` files, with an index of the file of each array.

The index is a `.safetensors.index.json` file, as Hugging Face's libraries write it: its
`weight_map` has the name of a file for the name of each array. A `.jxc` file keeps the names of the
files, and how many of its arrays come from each, in its metadata.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry
from jaxcomp.checkpoints.safetensors_file import open_safetensors, write_safetensors
from jaxcomp.codec.names import Names

INDEX = ".safetensors.index.json"
SHARDS = "jaxcomp.shards"  # key in the metadata of a `.jxc` file
_WEIGHT_MAP = "weight_map"
_DEFAULT_INDEX = "model" + INDEX

Shards = Sequence[tuple[str, int]]  # names of files, and the number of arrays in each


def indexes(folder: Path) -> list[Path]:
    """Return the indexes in a folder."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(INDEX))


@contextmanager
def open_shards(index: Path) -> Iterator[Checkpoint]:
    """Yield the arrays of all files that an index names; each is read when it is loaded.

    Raises:
      CheckpointError: if it is no index, or names files elsewhere or arrays that do not exist.
      FileNotFoundError: if a file that it names is missing.
    """
    file_of = _weight_map(index)
    with ExitStack() as stack:
        loaders: dict[Names, Callable[[Entry], np.ndarray]] = {}
        entries: list[Entry] = []
        remarks: list[str] = []
        metadata: dict[str, str] = {}
        for file in sorted(set(file_of.values())):
            path = index.with_name(file)
            if not path.exists():
                raise FileNotFoundError(2, "No such file, though the index names it", str(path))
            shard = stack.enter_context(open_safetensors(path))
            own = [entry for entry in shard.entries if file_of.get(entry.name) == file]
            others = len(shard.entries) - len(own)
            if others:
                left = f"{others} arrays of {file}, which the index does not name, are left out"
                remarks.append(left)
            loaders |= dict.fromkeys((entry.names for entry in own), shard.load)
            entries += own
            metadata = {**shard.metadata, **metadata}
        missing = file_of.keys() - {entry.name for entry in entries}
        if missing:
            name = min(missing)
            raise CheckpointError(f"the index says that {name!r} is in {file_of[name]}: it is not")
        yield Checkpoint(
            tuple(entries),
            lambda wanted: loaders[wanted.names](wanted),
            metadata=metadata,
            remarks=tuple(remarks),
            shard_of={entry.names: file_of[entry.name] for entry in entries},
        )


def shards_text(checkpoint: Checkpoint, stored: Iterable[Entry]) -> str:
    """Return the text of the metadata: the files of a checkpoint, and how many arrays each has.

    Args:
      checkpoint: a checkpoint of shards.
      stored: its entries that are stored, in order.
    """
    files = groupby(checkpoint.shard_of[entry.names] for entry in stored)
    return json.dumps([[file, len(list(own))] for file, own in files])


def parse_shards(metadata: Mapping[str, str]) -> Shards:
    """Return the shards that the metadata of a `.jxc` file name.

    Raises:
      CheckpointError: if they name none, or no valid names of files.
    """
    if SHARDS not in metadata:
        raise CheckpointError(
            "the file was not made of a folder of shards: give the name of a .safetensors or .npz "
            "file"
        )
    try:
        shards = [(str(file), int(count)) for file, count in json.loads(metadata[SHARDS])]
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"the metadata {SHARDS!r} are no list of files: {error}") from error
    for file, _ in shards:
        _check_file(file)
    return shards


def write_shards(
    folder: Path,
    arrays: Iterable[tuple[str, np.ndarray]],
    shards: Shards,
    metadata: Mapping[str, str],
) -> None:
    """Write arrays to the files of a new folder, with an index; it appears whole or not at all.

    Args:
      folder: a folder that does not exist yet.
      arrays: names and arrays, in the order of the files.
      shards: the files; remaining arrays go to the last one.
      metadata: text by key, for each file.

    Raises:
      CheckpointError: if a file cannot hold an array.
      OSError: if the folder exists, or cannot be written.
    """
    check_new(folder)
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        weight_map: dict[str, str] = {}
        size, arrays = 0, iter(arrays)
        for number, (file, count) in enumerate(shards, 1):
            own = arrays if number == len(shards) else islice(arrays, count)
            header = write_safetensors(temporary / file, own, metadata)
            weight_map |= dict.fromkeys(header, file)
            size += sum(header.values())
        index = {"metadata": {"total_size": size}, _WEIGHT_MAP: weight_map}
        (temporary / _DEFAULT_INDEX).write_text(json.dumps(index, indent=2))
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_new(folder: Path) -> None:
    """Raise an OSError unless a new folder can be made."""
    if folder.exists():
        raise FileExistsError(
            17, "There is one already: give the path of a new folder", str(folder)
        )
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(2, "No such folder", str(folder.absolute().parent))


def _weight_map(index: Path) -> dict[str, str]:
    known: Any = json.loads(index.read_text())
    found = known.get(_WEIGHT_MAP) if isinstance(known, dict) else None
    if not isinstance(found, dict) or not found:
        raise CheckpointError(f"it has no {_WEIGHT_MAP!r} of names and files")
    for file in set(map(str, found.values())):
        _check_file(file)
    return found


def _check_file(file: str) -> None:
    """Raise an error unless a name is the plain name of a file of the same folder."""
    if Path(file).name != file or not file.endswith(".safetensors") or "\0" in file:
        raise CheckpointError(f"{file!r} is not the name of a .safetensors file in the same folder")
