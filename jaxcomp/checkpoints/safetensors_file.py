"""Reads and writes `.safetensors` files: a header of names, types and shapes, then the arrays."""

import json
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry
from jaxcomp.checkpoints.library import library

_TYPES = {
    "BOOL": "bool",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}


_NAMES = {name: stored for stored, name in _TYPES.items()} | {"bfloat16": "BF16"}
_METADATA = "__metadata__"  # key of the header, beside those of the arrays
_ALIGNMENT = 8  # bytes
_WIDTHS = (8, 4, 2, 1)  # bytes of an entry
_TOGETHER = 2**20  # bytes that are copied at a time


@contextmanager
def open_safetensors(path: Path) -> Iterator[Checkpoint]:
    """Yield the arrays of a file, in the order of their names; each is read when it is loaded."""
    safetensors = library("safetensors", "compress")
    with open(path, "rb") as file:
        with safetensors.safe_open(path, framework="numpy") as checked:
            metadata = checked.metadata() or {}
            found = []
            for name in checked.keys():  # noqa: SIM118, it is not a dict
                header = checked.get_slice(name)
                found.append(entry((name,), header.get_shape(), _dtype(name, header.get_dtype())))
        start, header = _read_header(file)

        def load(wanted: Entry) -> np.ndarray:
            # The library would map the file into memory, where it stays as long as the file is
            # open. Opening the file for each array would take quadratic time.
            begin, end = header[str(wanted.names[0])]["data_offsets"]
            file.seek(start + begin)
            return np.frombuffer(file.read(end - begin), wanted.dtype).reshape(wanted.shape)

        yield Checkpoint(tuple(found), load, metadata=metadata)


def write_safetensors(
    path: Path, arrays: Iterable[tuple[str, np.ndarray]], metadata: Mapping[str, str]
) -> dict[str, int]:
    """Write a file, array by array; return the bytes of each array.

    The library would need all arrays in memory, since their shapes come first. Here they are
    written to temporary files without names, one for each width of types, which are then joined.

    Raises:
      CheckpointError: if an array has the name of the metadata.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    sizes: dict[str, int] = {}
    with ExitStack() as stack:
        parts = {width: stack.enter_context(TemporaryFile(dir=path.parent)) for width in _WIDTHS}
        places = {}
        for name, array in arrays:
            if name == _METADATA:
                raise CheckpointError(
                    f"an array in a .safetensors file cannot have the name {_METADATA!r}"
                )
            stored, part = _NAMES[array.dtype.name], parts[array.itemsize]
            places[name] = stored, array.shape, array.itemsize, part.tell()
            sizes[name] = array.nbytes
            little = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            part.write(little.reshape(-1).view(np.uint8).data)
        # Wide types come first, so that each array is aligned.
        starts, end = {}, 0
        for width, part in parts.items():
            starts[width], end = end, end + part.tell()
        for name, (stored, shape, width, begin) in places.items():
            begin += starts[width]
            offsets = [begin, begin + sizes[name]]
            header[name] = {"dtype": stored, "shape": list(shape), "data_offsets": offsets}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for part in parts.values():
                part.seek(0)
                shutil.copyfileobj(part, file, _TOGETHER)
    return sizes


def _read_header(file: BinaryIO) -> tuple[int, dict[str, Any]]:
    """Return where the arrays begin, and the header of a file that the library has checked."""
    (length,) = struct.unpack("<Q", file.read(8))
    return 8 + length, json.loads(file.read(length))


def _dtype(name: str, stored: str) -> np.dtype:
    if stored == "BF16":
        import ml_dtypes  # it comes with jax

        return np.dtype(ml_dtypes.bfloat16)
    if stored not in _TYPES:
        raise CheckpointError(
            f"{name!r} is of type {stored}: convert it to one of BF16, {', '.join(_TYPES)}"
        )
    return np.dtype(_TYPES[stored])
