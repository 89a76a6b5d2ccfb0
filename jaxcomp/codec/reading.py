"""Reading `.jxc` files: as a whole, array by array, or what is in them."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxcomp.codec import segments, version1
from jaxcomp.codec.coder import Decoder, MeteringDecoder
from jaxcomp.codec.container import OVERHEAD, read_container
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.levels import different_levels, few_valued, smallest_dtype
from jaxcomp.codec.limits import Budget, Limits
from jaxcomp.codec.metadata import is_metadata
from jaxcomp.codec.names import (
    EMPTY,
    NEXT_SEGMENT,
    Names,
    NestedDict,
    Unflattened,
    decode_names,
    join,
    joined,
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


def load(path: str | os.PathLike, *, limits: Limits | None = None) -> NestedDict:
    """Read a `.jxc` file: a nested dict of numpy arrays with their names, shapes and types.

    Args:
      path: the file.
      limits: of memory and time; by default they are in proportion to the size of the file.

    Raises:
      FormatError: if the file is not a whole, untouched `.jxc` file, or is beyond the limits.
      ImportError: if it holds bfloat16 arrays and ml_dtypes is not installed.
      OSError: if it cannot be read.
    """
    tree = Unflattened()
    for names, record, _ in _File(path, limits).records():
        if record is not None:
            tree.add(names, record.values())
        elif not is_metadata(names):
            tree.add(names, EMPTY)
    return tree.root


def metadata(path: str | os.PathLike, *, limits: Limits | None = None) -> dict[str, str]:
    """Read the text about the whole that is before the first array of a file.

    Arguments and errors as in `load`.
    """
    found = {}
    for names, _, _ in _File(path, limits, keeps=False).records(until_array=True):
        if is_metadata(names):
            _, key, text = names
            found[key] = text
    return found


def arrays(
    path: str | os.PathLike, *, limits: Limits | None = None
) -> Iterator[tuple[Names, np.ndarray]]:
    """Read a `.jxc` file array by array, each with its names.

    Args:
      path: the file.
      limits: as for `load`, but memory is counted for two arrays, the one at hand and the next.

    Raises:
      FormatError, ImportError, OSError: as `load`.
    """
    for names, record, _ in _File(path, limits, keeps=False).records():
        if record is not None:
            yield names, record.values()


def read(
    path: str | os.PathLike, *, limits: Limits | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Read what `write` wrote: `(levels, codebook)` by name; `(array, None)` for any other array.

    Names of nested dicts are joined by `/`.

    Args:
      path: the file.
      limits: as for `load`.

    Raises:
      ValueError: if two joined names are the same.
      FormatError, ImportError, OSError: as `load`.
    """
    records = _File(path, limits).records(few=True)
    named = joined((names, record) for names, record, _ in records if record is not None)
    return {name: _levels_and_codebook(record) for name, record in named}


def describe(path: str | os.PathLike, *, limits: Limits | None = None) -> FileInfo:
    """Say what a `.jxc` file holds, array by array, after reading and checking all of it.

    Args:
      path: the file.
      limits: as for `arrays`.

    Raises:
      FormatError, ImportError, OSError: as `load`.
    """
    file = _File(path, limits, keeps=False)
    tensors = []
    for names, record, size in file.records(metered=True, few=True):
        if record is None:
            continue
        array = record.values()
        nonzeros = int(np.count_nonzero(array))
        values = None if nonzeros else min(1, array.size)
        if record.few_valued is not None:
            values = different_levels(record.few_valued.levels)
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


def _levels_and_codebook(record: Record) -> tuple[np.ndarray, np.ndarray | None]:
    if record.few_valued is None:
        return record.values(), None
    levels, codebook = record.few_valued
    native = codebook.astype(codebook.dtype.newbyteorder("="), copy=False)
    return levels.astype(smallest_dtype(levels), copy=False), native


class _File:
    """A file that has been read and whose checksum is right."""

    def __init__(
        self, path: str | os.PathLike, limits: Limits | None, *, keeps: bool = True
    ) -> None:
        """`keeps`: whether all arrays are in memory in the end."""
        self.version, self._body, self._budget = read_container(path, limits, keeps=keeps)
        self.size = len(self._body) + OVERHEAD

    def records(
        self, *, metered: bool = False, few: bool = False, until_array: bool = False
    ) -> Iterator[tuple[Names, Record | None, float]]:
        """Names, array and size in bytes of all arrays; no array for an empty dict.

        Args:
          metered: whether sizes are asked for.
          few: whether arrays of few values are wanted as levels, if they are not stored so.
          until_array: whether only what is before the first array is wanted.
        """
        if self.version == 1 and until_array:
            return
        if self.version == 1:
            yield from _records_of_version_1(self._body, self._budget, few)
            return
        budget = self._budget
        parts = iter(segments.split(self._body))
        decoder = (MeteringDecoder if metered else Decoder)(budget=budget)
        decoder.start(*next(parts))
        text, hints, taken = Text(decoder), {}, Unflattened()
        before = 0.0
        while (found := decode_names(text)) is not None:
            if found is NEXT_SEGMENT:
                _check_used_up(decoder)
                part = next(parts, None)
                if part is None:
                    raise FormatError("the last segment is followed by another")
                decoder.start(*part)
                continue
            names, empty = found
            if until_array and not empty:
                return
            try:
                taken.add(names, EMPTY if empty else None)
                record = None if empty else decode_record(decoder, text, hints)
                text.spend()
            except FormatError as error:
                raise FormatError(f"{join(names)}: {error}") from error
            except ValueError as error:
                raise FormatError(str(error)) from error
            size = decoder.spent if metered else 0.0
            yield names, record, size - before
            before = size
        _check_used_up(decoder)
        if next(parts, None) is not None:
            raise FormatError("a segment belongs to no array")


def _check_used_up(decoder: Decoder) -> None:
    if decoder.raw_left:
        raise FormatError(f"{decoder.raw_left} bytes belong to no array")


def _records_of_version_1(
    body: memoryview, budget: Budget, few: bool
) -> Iterator[tuple[Names, Record | None, float]]:
    for names, array, size in version1.read_arrays(body, budget):
        if array is None:
            yield names, None, 0.0
            continue
        levels = few_valued(array) if few and array.size else None
        yield names, Record(Facts(Kind.PLAIN, array.dtype, array.shape), levels, array), float(size)
