"""Reads and writes `.npz` files: a zip archive with a `.npy` file for each array."""

import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry

_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
    (3, 0): npy.read_array_header_2_0,  # the same except for the letters in names of fields
}
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}  # bytes of the number before the header
_MAX_HEADER = 10_000  # bytes, the limit of numpy
# Deflate makes zeros 1,000 times smaller, and 40 times a network with 1 % of entries other than 0.
_FREE_BYTES, _PER_BYTE = 2**28, 2**8


@contextmanager
def open_npz(path: Path) -> Iterator[Checkpoint]:
    """Yield the arrays of a file, in its order; each is read when it is loaded.

    The declared sizes are checked before reading: a small file can hold very large arrays.
    """
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        _check_sizes(archive.infolist(), os.fstat(file.fileno()).st_size)
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}

        def load(wanted: Entry) -> np.ndarray:
            with archive.open(members[str(wanted.names[0])]) as member:
                return npy.read_array(member, allow_pickle=False)

        found = [
            _member(archive, info) for info in archive.infolist() if not info.filename.endswith("/")
        ]
        yield Checkpoint(
            tuple(one for one in found if isinstance(one, Entry)),
            load,
            remarks=tuple(one for one in found if isinstance(one, str)),
        )


def write_npz(
    path: Path, arrays: Iterable[tuple[str, np.ndarray]], metadata: Mapping[str, str]
) -> None:
    """Write a file, array by array; the format has no place for metadata.

    Raises:
      CheckpointError: if numpy's files do not know the type of an array, such as bfloat16, or if it
        would not be found under its name.
    """
    taken: set[str] = set()
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays:
            if "\0" in name:  # zipfile cuts the name there
                raise CheckpointError(f"names in .npz files cannot have a NUL, as {name!r} has")
            # numpy reads `w.npy` from the member `w`, if there is one.
            other = next(
                (n for n in (f"{name}.npy", name.removesuffix(".npy")) if n in taken), None
            )
            if other is not None:
                raise CheckpointError(f"names in .npz files cannot be {other!r} and {name!r}")
            taken.add(name)
            if array.dtype.kind == "V":
                raise CheckpointError(
                    f"{name!r} is of type {array.dtype.name}, which numpy's files do not know: "
                    "write a .safetensors file"
                )
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


def _check_sizes(members: list[zipfile.ZipInfo], file_bytes: int) -> None:
    declared, allowed = sum(m.file_size for m in members), _FREE_BYTES + _PER_BYTE * file_bytes
    if declared > allowed:
        raise CheckpointError(
            f"it declares {declared:,} bytes of arrays, more than the {allowed:,} that a file of "
            f"{file_bytes:,} bytes may hold: if that is right, save it without compression"
        )
    for member in members:
        # Other types of compression can hold much more than they declare.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CheckpointError(
                f"{member.filename!r} is compressed by a method that numpy does not use"
            )


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry | str:
    """Return an array of a file, or a remark about a member that is not an array."""
    name = info.filename.removesuffix(".npy")
    with archive.open(info) as member:
        if _is_stray(info.filename, member.read(len(npy.MAGIC_PREFIX))):
            return f"the member {info.filename!r} is no .npy file, and left out"
        member.seek(0)
        version = npy.read_magic(member)
        if version not in _HEADERS:
            raise CheckpointError(f"{name!r} is of version {version} of .npy, which is unknown")
        length = member.read(_LENGTH_BYTES[version])
        header_bytes = int.from_bytes(length, "little")
        if header_bytes > _MAX_HEADER:
            raise CheckpointError(
                f"{name!r} has a header of {header_bytes:,} bytes, more than {_MAX_HEADER:,}"
            )
        shape, _, dtype = _HEADERS[version](io.BytesIO(length + member.read(header_bytes)))
    if dtype.kind in "SU":
        return f"{name!r} is text, and left out"
    _check_typed(name, dtype)
    found = entry((name,), shape, dtype)
    stored = info.file_size - npy.MAGIC_LEN - len(length) - header_bytes
    if stored != found.nbytes:
        raise CheckpointError(
            f"{name!r} has {stored:,} bytes of data, an array of shape {found.shape} and type "
            f"{found.dtype} {found.nbytes:,}"
        )
    return found


def _is_stray(member: str, start: bytes) -> bool:
    """Tell whether a member of the archive is something other than an array."""
    if member.startswith("__MACOSX/"):
        return True
    return not member.endswith(".npy") and start != npy.MAGIC_PREFIX


def _check_typed(name: str, dtype: np.dtype) -> None:
    if dtype.kind != "V":
        return
    if dtype.names or dtype.subdtype:
        raise CheckpointError(f"{name!r} has fields, and is no array of numbers")
    raise CheckpointError(
        f"{name!r} has entries of {dtype.itemsize} bytes and no type: numpy loses that of bfloat16 "
        "and the like on saving. Save it as float32, or in a .safetensors file"
    )
