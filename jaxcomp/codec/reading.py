"""Reads `.jxc` files: whole, some arrays, array by array, or only a description."""

import difflib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.container import Container, open_container
from jaxcomp.codec.levels import different_levels, smallest_dtype
from jaxcomp.codec.limits import Limits
from jaxcomp.codec.metadata import is_metadata
from jaxcomp.codec.names import EMPTY, Names, NestedDict, Unflattened, joined
from jaxcomp.codec.records import Record
from jaxcomp.codec.stored import StoredArrays
from jaxcomp.codec.threads import Threads

_AHEAD = 2**24  # bytes of arrays that threads may read ahead


class TensorInfo(NamedTuple):
    """Says what a file holds of one array."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    nonzeros: int
    values: int | None  # the number of distinct values; None for a many-valued array
    payload_bytes: float  # name and shape included; a fraction, since arrays share bytes


class FileInfo(NamedTuple):
    """Says what a file holds: its version, its size and its arrays."""

    version: int
    file_bytes: int
    tensors: list[TensorInfo]


def load(
    path: str | os.PathLike,
    *,
    only: Collection[str] | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
) -> NestedDict:
    """Read a `.jxc` file into a nested dict of NumPy arrays with their names, shapes and types.

    Args:
      path: the file.
      only, threads, limits: as for `jaxcomp.load`.

    Raises:
      FormatError, ImportError, OSError, ValueError: as `jaxcomp.load`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.save(f"{folder}/model.jxc", {"layer": {"kernel": np.eye(2)}})
      ...     print(codec.load(f"{folder}/model.jxc")["layer"]["kernel"])
      [[1. 0.]
       [0. 1.]]
    """
    wanted = _Wanted(only)
    tree = Unflattened()
    with _opened(path, limits, threads, keeps=True) as (_, arrays):
        waiting: list[tuple[Names, Callable[[], Record | None]]] = []
        for names, stored, _ in arrays.items(wanted=wanted):
            if stored is not None:
                waiting.append((names, arrays.start(stored)))
            elif not is_metadata(names):
                waiting.append((names, lambda: None))
        wanted.check_all_found()
        for names, wait in waiting:
            record = wait()
            tree.add(names, EMPTY if record is None else record.values())
    return tree.root


def metadata(path: str | os.PathLike, *, limits: Limits | None = None) -> dict[str, str]:
    """Read the text about the whole checkpoint, which a file has before its first array.

    The arguments and the errors are those of `load`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     with codec.Writer(f"{folder}/model.jxc") as writer:
      ...         writer.add_metadata({"format": "np"})
      ...         writer.add(("kernel",), np.eye(2))
      ...     codec.metadata(f"{folder}/model.jxc")
      {'format': 'np'}
    """
    found: dict[str, str] = {}
    with _opened(path, limits, 1, keeps=False) as (_, arrays):
        for names, _, _ in arrays.items(until_array=True):
            if is_metadata(names):
                _, key, text = names
                found[key] = text
    return found


def arrays(
    path: str | os.PathLike, *, threads: int | None = None, limits: Limits | None = None
) -> Iterator[tuple[Names, np.ndarray]]:
    """Read a `.jxc` file array by array, each with its names.

    Args:
      path: the file.
      threads: as for `load`; several threads read up to 16 MiB of arrays ahead.
      limits: as for `load`, but memory is counted for two arrays: the current one and the next.

    Raises:
      FormatError, ImportError, OSError, ValueError: as `load`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.save(f"{folder}/model.jxc", {"a": np.ones(2), "b": {"c": np.zeros(3)}})
      ...     for names, array in codec.arrays(f"{folder}/model.jxc"):
      ...         print(names, array)
      ('a',) [1. 1.]
      ('b', 'c') [0. 0. 0.]
    """
    with _opened(path, limits, threads, keeps=False) as (_, found):
        for names, record, _ in _records(found):
            yield names, record.values()


def read(
    path: str | os.PathLike, *, threads: int | None = None, limits: Limits | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Read what `write` wrote: `(levels, codebook)` by name, `(array, None)` for any other array.

    The names of nested dicts are joined by `/`.

    Args:
      path: the file.
      threads, limits: as for `load`.

    Raises:
      ValueError: if two joined names are the same, or `threads` is not positive.
      FormatError, ImportError, OSError: as `load`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.save(f"{folder}/model.jxc", {"kernel": np.array([0.5, 0.0, -0.25])})
      ...     levels, step = codec.read(f"{folder}/model.jxc")["kernel"]
      >>> levels, float(step)
      (array([ 2,  0, -1], dtype=int8), 0.25)
    """
    with _opened(path, limits, threads, keeps=True) as (_, found):
        records = _records(found, few=True)
        named = joined((names, record) for names, record, _ in records)
        return {name: _levels_and_codebook(record) for name, record in named}


def describe(
    path: str | os.PathLike, *, threads: int | None = None, limits: Limits | None = None
) -> FileInfo:
    """Describe a `.jxc` file, array by array, after reading and checking all of it.

    Args:
      path: the file.
      threads, limits: as for `arrays`.

    Raises:
      FormatError, ImportError, OSError, ValueError: as `load`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.save(f"{folder}/model.jxc", {"kernel": np.eye(4)})
      ...     (kernel,) = codec.describe(f"{folder}/model.jxc").tensors
      >>> kernel.name, kernel.shape, kernel.nonzeros, kernel.values
      ('kernel', (4, 4), 4, 2)
    """
    tensors = []
    with _opened(path, limits, threads, keeps=False) as (container, found):
        for names, record, size in _records(found, few=True, metered=True):
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
        return FileInfo(container.version, container.size, tensors)


class File(Mapping[str, np.ndarray]):
    """Maps joined names to the arrays of an open file, which are read when they are asked for.

    Small arrays are in memory; for a large one, only its own bytes are read. `close`, or the end of
    a `with` statement, closes the file. `open` has an example.
    """

    def __init__(
        self, path: str | os.PathLike, *, threads: int | None = None, limits: Limits | None = None
    ) -> None:
        """See `open`."""
        self._context = _opened(path, limits, threads, keeps=True)
        _, self._arrays = self._context.__enter__()
        try:
            items = self._arrays.items()
            found = ((names, stored) for names, stored, _ in items if stored is not None)
            self._stored = dict(joined(found))
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._stored:
            raise KeyError(f"{name!r} is not in the file{_like(name, self._stored)}")
        return self._arrays.record(self._stored[name]).copy().values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._context.__exit__(None, None, None)


def open(
    path: str | os.PathLike, *, threads: int | None = None, limits: Limits | None = None
) -> File:
    """Open a `.jxc` file so that some of its arrays can be read.

    Args:
      path: the file.
      threads, limits: as for `load`.

    Raises:
      ValueError: if two joined names are the same, or `threads` is not positive.
      FormatError, ImportError, OSError: as `load`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.save(f"{folder}/model.jxc", {"layer": {"kernel": np.arange(3)}})
      ...     with codec.open(f"{folder}/model.jxc") as file:
      ...         list(file), file["layer/kernel"], "layer/bias" in file
      (['layer/kernel'], array([0, 1, 2]), False)
    """
    return File(path, threads=threads, limits=limits)


@contextmanager
def _opened(
    path: str | os.PathLike, limits: Limits | None, threads: int | None, *, keeps: bool
) -> Iterator[tuple[Container, StoredArrays]]:
    """Open a file; `keeps` says whether all arrays are in memory in the end."""
    with Threads(threads) as pool, open_container(path, limits, keeps=keeps) as container:
        yield container, StoredArrays(container, pool)


def _records(
    arrays: StoredArrays, *, few: bool = False, metered: bool = False
) -> Iterator[tuple[Names, Record, float]]:
    """Read all arrays in order; threads read up to `_AHEAD` bytes of later ones meanwhile."""
    ahead: deque[tuple[Names, Callable[[], Record], float, int]] = deque()
    room = _AHEAD if arrays.threads.number > 1 else 0
    for names, stored, size in arrays.items(few=few, metered=metered):
        if stored is None:
            continue
        taken = stored.facts.size * stored.facts.dtype.itemsize
        ahead.append((names, arrays.start(stored), size, taken))
        room -= taken
        while room < 0 and ahead:
            first, wait, spent, gone = ahead.popleft()
            room += gone
            yield first, wait(), spent
    for names, wait, size, _ in ahead:
        yield names, wait(), size


class _Wanted:
    """Tells which arrays are wanted, by their names or those of dicts that hold them."""

    def __init__(self, only: Collection[str] | None) -> None:
        if isinstance(only, str):
            raise TypeError(f"only must be a list of names, got the text {only!r}")
        self._only = None if only is None else frozenset(only)
        self._found: set[str] = set()
        self._names: dict[str, None] = {}

    def __call__(self, names: Names) -> bool:
        if self._only is None:
            return True
        parts = list(map(str, names))
        beginnings = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        found = beginnings & self._only
        self._found |= found
        self._names["/".join(parts)] = None
        return bool(found)

    def check_all_found(self) -> None:
        """Raise a ValueError if a name fits no array."""
        for name in sorted((self._only or frozenset()) - self._found):
            raise ValueError(f"only: {name!r} is not in the file{_like(name, self._names)}")


def _like(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; it has {', '.join(map(repr, close))}" if close else ""


def _levels_and_codebook(record: Record) -> tuple[np.ndarray, np.ndarray | None]:
    if record.few_valued is None:
        return record.values(), None
    levels, codebook = record.few_valued
    native = codebook.astype(codebook.dtype.newbyteorder("="), copy=False)
    return levels.astype(smallest_dtype(levels), copy=False), native
