"""Reading `.jxc` files: as a whole, array by array, or what is in them."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxcomp.codec import segments, version1
from jaxcomp.codec.coder import Decoder, MeteringDecoder
from jaxcomp.codec.container import OVERHEAD, read_container
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.levels import quantised, smallest_dtype
from jaxcomp.codec.limits import Budget
from jaxcomp.codec.names import (
    EMPTY,
    NEXT_SEGMENT,
    Names,
    NestedDict,
    Unflattened,
    decode_names,
    join,
)
from jaxcomp.codec.records import Facts, Kind, Record, decode_record
from jaxcomp.codec.text import Text


class TensorInfo(NamedTuple):
    """What a file holds of one array."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    nonzeros: int
    values: int | None  # how many different ones there are; None for an array of many
    payload_bytes: float  # names, shape and all; a fraction, since arrays share bytes


class FileInfo(NamedTuple):
    """What a file holds."""

    version: int
    file_bytes: int
    tensors: list[TensorInfo]


def load(path: str | os.PathLike) -> NestedDict:
    """Read a `.jxc` file: a nested dict of numpy arrays with their names, shapes and types.

    Raises:
      FormatError: if the file is not a whole, untouched `.jxc` file.
      ImportError: if it holds bfloat16 arrays and ml_dtypes is not installed.
      OSError: if it cannot be read.
    """
    tree = Unflattened()
    for names, record, _ in _File(path).records():
        tree.add(names, EMPTY if record is None else record.values())
    return tree.root


def arrays(path: str | os.PathLike) -> Iterator[tuple[Names, np.ndarray]]:
    """Read a `.jxc` file array by array, each with its names; errors as `load`."""
    for names, record, _ in _File(path).records():
        if record is not None:
            yield names, record.values()


def read(path: str | os.PathLike) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Read what `write` wrote: `(levels, codebook)` by name; `(array, None)` for any other array.

    Names of nested dicts are joined by `/`. Errors as `load`.
    """
    out = {}
    for names, record, _ in _File(path).records():
        if record is None:
            continue
        name = "/".join(map(str, names))
        if record.quantised is None:
            out[name] = (record.values(), None)
        else:
            levels, codebook = record.quantised
            native = codebook.astype(codebook.dtype.newbyteorder("="))
            out[name] = (levels.astype(smallest_dtype(levels)), native)
    return out


def describe(path: str | os.PathLike) -> FileInfo:
    """What a `.jxc` file holds, array by array. Reads and checks all of it; errors as `load`."""
    file = _File(path)
    tensors = []
    for names, record, size in file.records(metered=True):
        if record is None:
            continue
        array = record.values()
        nonzeros = int(np.count_nonzero(array))
        values = None if nonzeros else min(1, array.size)
        if record.quantised is not None:
            values = np.unique(record.quantised.levels).size
        tensors.append(
            TensorInfo(
                name="/".join(map(str, names)),
                shape=array.shape,
                dtype=array.dtype.name,
                elements=array.size,
                nonzeros=nonzeros,
                values=values,
                payload_bytes=size,
            )
        )
    return FileInfo(file.version, file.size, tensors)


class _File:
    """A file that has been read and whose checksum is right."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.version, self._body = read_container(path)
        self.size = len(self._body) + OVERHEAD

    def records(self, *, metered: bool = False) -> Iterator[tuple[Names, Record | None, float]]:
        """Names, array and size in bytes of all arrays; no array for an empty dict."""
        if self.version == 1:
            yield from _records_of_version_1(self._body)
            return
        parts = iter(segments.split(self._body))
        decoder = (MeteringDecoder if metered else Decoder)()
        decoder.start(*next(parts))
        text, budget, hints, taken = Text(decoder), Budget(self.size), {}, Unflattened()
        before, read = 0.0, 0
        while (found := decode_names(text)) is not None:
            if found is NEXT_SEGMENT:
                _check_used_up(decoder)
                part = next(parts, None)
                if part is None:
                    raise FormatError("the last segment is followed by another")
                decoder.start(*part)
                continue
            names, empty = found
            try:
                taken.add(names, EMPTY if empty else None)
                record = None if empty else decode_record(decoder, text, budget, hints)
                budget.spend("text", text.length - read)
            except FormatError as error:
                raise FormatError(f"{join(names)}: {error}") from error
            except ValueError as error:
                raise FormatError(str(error)) from error
            read = text.length
            size = decoder.spent if metered else 0.0
            yield names, record, size - before
            before = size
        _check_used_up(decoder)
        if next(parts, None) is not None:
            raise FormatError("a segment belongs to no array")


def _check_used_up(decoder: Decoder) -> None:
    if decoder.raw_left:
        raise FormatError(f"{decoder.raw_left} bytes belong to no array")


def _records_of_version_1(body: memoryview) -> Iterator[tuple[Names, Record | None, float]]:
    for names, array, size in version1.read_arrays(body):
        if array is None:
            yield names, None, 0.0
            continue
        few = quantised(array) if array.size else None
        facts = Facts(Kind.PLAIN, array.dtype, array.shape)
        yield names, Record(facts, few, None if few else array), float(size)
