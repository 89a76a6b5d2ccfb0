"""Nested dicts of arrays to `.jxc` files and back."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.codec import container, records
from jaxcomp.codec.errors import FormatError
from jaxcomp.files import replacing

MAX_DEPTH = 64

NestedDict = dict[str | int, Any]  # leaves are arrays


class TensorInfo(NamedTuple):
    """What a file holds of one array."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    nonzeros: int
    values: int | None  # size of the codebook; None for an array stored as it is
    payload_bytes: int  # without the array's share of the header


class FileInfo(NamedTuple):
    """What a file holds."""

    version: int
    file_bytes: int
    tensors: list[TensorInfo]


def save(path: str | os.PathLike, params: Mapping[str | int, Any]) -> int:
    """Write a nested dict of arrays to a `.jxc` file: exactly what it is given, smaller.

    Arrays with at most 256 different values (ternary weights, small codebooks) are stored as
    entropy-coded levels with a codebook, others as they are: float weights that are merely pruned
    do not get smaller before they are quantised. Nothing is rounded. The file appears whole or not
    at all: it is written beside its place, then moved there.

    Args:
      path: where to write; an existing file is replaced.
      params: nested dict with str or int names; leaves are numpy or jax arrays of a boolean,
        integer or real floating-point type (bfloat16 included).

    Returns:
      The size of the file in bytes.

    Raises:
      TypeError: if a node, a name or an array's type cannot be stored; the message names it.
      ValueError: if an array, a name or the nesting is beyond the limits of the format.
      OSError: if the file cannot be written; an existing one is then untouched.
    """
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a nested dict of arrays, got a {type(params).__name__}")
    payloads: list[bytes] = []
    data = container.pack(_encode_dict(params, (), payloads), payloads)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(data)
    return len(data)


def load(path: str | os.PathLike) -> NestedDict:
    """Read a `.jxc` file: a nested dict of numpy arrays with their names, shapes and types.

    Raises:
      FormatError: if the file is not a whole, untouched `.jxc` file.
      ImportError: if it holds bfloat16 arrays and ml_dtypes is not installed.
      OSError: if it cannot be read.
    """
    header, payloads = container.unpack(Path(path).read_bytes())
    arrays = {names: array for names, _, array in _decode(header, payloads)}

    def fill(node: NestedDict, names: tuple) -> NestedDict:
        return {
            key: fill(child, (*names, key)) if isinstance(child, dict) else arrays[(*names, key)]
            for key, child in node.items()
        }

    return fill(header, ())


def describe(path: str | os.PathLike) -> FileInfo:
    """What a `.jxc` file holds, array by array. Reads and checks all of it; errors as `load`."""
    data = Path(path).read_bytes()
    header, payloads = container.unpack(data)
    tensors = [
        TensorInfo(
            name="/".join(map(str, names)),
            shape=record.shape,
            dtype=array.dtype.name,
            elements=array.size,
            nonzeros=int(np.count_nonzero(array)),
            values=None if record.codebook is None else len(record.codebook),
            payload_bytes=record.payload_bytes,
        )
        for names, record, array in _decode(header, payloads)
    ]
    return FileInfo(container.VERSION, len(data), tensors)


def _encode_dict(node: Mapping, names: tuple, payloads: list[bytes]) -> NestedDict:
    if len(names) > MAX_DEPTH:
        raise ValueError(f"params are nested more than {MAX_DEPTH} deep at {_join(names[:3])}...")
    header = {}
    for key, child in node.items():
        path = (*names, key)
        _check_name(key, names)
        if isinstance(child, Mapping):
            header[key] = _encode_dict(child, path, payloads)
            continue
        if not (hasattr(child, "dtype") and hasattr(child, "shape")):
            raise TypeError(
                f"{_join(path)} is a {type(child).__name__}: nodes must be dicts, leaves arrays"
            )
        try:
            header[key], payload = records.encode_array(np.asarray(child))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{_join(path)}: {error}") from error
        payloads.append(payload)
    return header


def _check_name(name: Any, names: tuple) -> None:
    if not isinstance(name, str | int) or isinstance(name, bool):
        raise TypeError(f"names must be str or int, got {name!r} in {_join(names)}")
    if isinstance(name, int) and not -(2**63) <= name < 2**64:
        raise ValueError(f"the name {name} in {_join(names)} does not fit 64 bits")
    if isinstance(name, str) and not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the name {name!r} in {_join(names)} is not valid text") from error


def _decode(
    header: NestedDict, payloads: bytes
) -> Iterator[tuple[tuple, records.Record, np.ndarray]]:
    parsed = list(_parse(header, ()))
    declared = sum(record.payload_bytes for _, record in parsed)
    if declared != len(payloads):
        raise FormatError(f"{declared} bytes of weights are declared, {len(payloads)} are there")
    start = 0
    for names, record in parsed:
        end = start + record.payload_bytes
        try:
            array = records.decode_array(record, payloads[start:end])
        except FormatError as error:
            raise FormatError(f"{_join(names)}: {error}") from error
        yield names, record, array
        start = end


def _parse(node: NestedDict, names: tuple) -> Iterator[tuple[tuple, records.Record]]:
    if len(names) > MAX_DEPTH:
        raise FormatError(f"the names are nested more than {MAX_DEPTH} deep")
    for key, child in node.items():
        path = (*names, key)
        if isinstance(child, dict):
            yield from _parse(child, path)
        elif isinstance(child, list):
            try:
                yield path, records.parse_record(child)
            except FormatError as error:
                raise FormatError(f"{_join(path)}: {error}") from error
        else:
            raise FormatError(f"{_join(path)} is a {type(child).__name__}, not a record")


def _join(names: tuple) -> str:
    return repr("/".join(map(str, names))) if names else "the top level"
