"""Writes `.jxc` files: array by array, or whole."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from jaxcomp.codec.container import ContainerWriter
from jaxcomp.codec.dtypes import code_of, dtype_of, is_floating
from jaxcomp.codec.facts import check_shape
from jaxcomp.codec.grid import MAX_LEVEL
from jaxcomp.codec.levels import FewValued, negatives, smallest_dtype, smallest_form
from jaxcomp.codec.metadata import names_of
from jaxcomp.codec.names import (
    EMPTY,
    Names,
    NestedMapping,
    Unflattened,
    check_names,
    flatten,
    join,
)
from jaxcomp.codec.stream import MainStream
from jaxcomp.codec.threads import Threads
from jaxcomp.files import replacing


class Writer:
    """Writes a `.jxc` file array by array; use it in a `with` statement.

    The whole file appears at the end. If an exception leaves the `with` statement there is none,
    and an earlier file in its place is untouched. Memory holds the current arrays and the code of
    small ones. With several threads, an array must not be changed after it was added.

    Attributes:
      file_bytes: the size of the file, after the `with` statement.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     with codec.Writer(f"{folder}/model.jxc") as writer:
      ...         writer.add(("bias",), np.zeros(3))
      ...         writer.add_levels(("kernel",), np.array([1, 0, -1]), np.array(0.5))
      ...     print(codec.load(f"{folder}/model.jxc")["kernel"])
      [ 0.5  0.  -0.5]
    """

    def __init__(self, path: str | os.PathLike, *, threads: int | None = 1) -> None:
        """Write to a path with some number of threads: None for as many as there are cores."""
        self._path, self._number_of_threads = Path(path), threads
        self.file_bytes = 0

    def __enter__(self) -> Self:
        self._context = self._open()
        return self._context.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._context.__exit__(kind, error, trace)

    @contextmanager
    def _open(self) -> Iterator[Self]:
        with (
            Threads(self._number_of_threads) as threads,
            replacing(self._path) as temporary,
            open(temporary, "wb") as file,
        ):
            self._stream = MainStream(ContainerWriter(file), threads)
            self._taken = Unflattened()
            yield self
            self.file_bytes = self._stream.finish()

    def add(self, names: Names, array: Any) -> None:
        """Store an array exactly.

        Args:
          names: path of the array in the nested dict.
          array: NumPy or jax array of a boolean, integer or real floating-point type (bfloat16
            included).

        Raises:
          TypeError: if a name or the array's type cannot be stored.
          ValueError: if the names are taken, or something exceeds the limits of the format.
        """
        if not (hasattr(array, "dtype") and hasattr(array, "shape")):
            raise TypeError(
                f"{join(names)} is a {type(array).__name__}: nodes must be dicts, leaves arrays"
            )
        with _named(names):
            check_shape(array.shape)
            array = np.asarray(array)
            array = np.asarray(array, dtype_of(code_of(array.dtype)), order="C")
        self._place(names)
        self._stream.add(names, array, lambda: smallest_form(array))

    def add_levels(self, names: Names, levels: np.ndarray, codebook: np.ndarray) -> None:
        """Store quantized weights as levels and a codebook.

        Args:
          names: path of the weights in the nested dict.
          levels: signed integers of any shape, of magnitude at most 32,767.
          codebook: floating-point values that the levels stand for: see `FewValued`.

        Raises:
          TypeError: if a name or a type cannot be stored.
          ValueError: if the names are taken, a level is not in the codebook, a step is not positive
            and finite, or something exceeds the limits of the format.
        """
        with _named(names), np.errstate(invalid="ignore"):  # NaNs can be signalling
            record = _checked(levels, codebook)
        self._place(names)
        self._stream.add(
            names, record, lambda: (record, record.bits() if record.levels.size else 0.0)
        )

    def add_metadata(self, metadata: Mapping[str, str]) -> None:
        """Store text about the whole, by key, before anything else.

        Raises:
          ValueError: if a key and its text are too long for names, or no valid text.
        """
        for names in names_of(metadata):
            self.add_empty_dict(names)

    def add_empty_dict(self, names: Names) -> None:
        """Store that there is a dict without entries."""
        self._place(names, EMPTY)
        self._stream.add_empty_dict(names)

    def _place(self, names: Names, leaf: Any = None) -> None:
        check_names(names)
        self._taken.add(names, leaf)


def save(path: str | os.PathLike, params: NestedMapping, *, threads: int | None = None) -> int:
    """Write a nested dict of arrays to a `.jxc` file, exactly, and return its size in bytes.

    `jaxcomp.save` describes the file, and takes other trees too.

    Args:
      path: where to write.
      params: nested dict with str or int names; leaves are arrays.
      threads: number of threads; None for as many as there are cores.

    Returns:
      The size of the file in bytes.

    Raises:
      TypeError, ValueError, OSError: as `jaxcomp.save`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.save(f"{folder}/model.jxc", {"layer": {"kernel": np.zeros((100, 100))}})
      >>> size < 100  # 80,000 bytes as float64
      True
    """
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a nested dict of arrays, got a {type(params).__name__}")
    with Writer(path, threads=threads) as writer:
        for names, array in flatten(params):
            if array is EMPTY:
                writer.add_empty_dict(names)
            else:
                writer.add(names, array)
    return writer.file_bytes


def write(
    path: str | os.PathLike,
    tensors: Mapping[str, tuple[np.ndarray, np.ndarray | None]],
    *,
    threads: int | None = None,
) -> int:
    """Write quantized tensors, each as `(levels, codebook)`, to a `.jxc` file.

    The levels are signed integers of any shape. The shape of the floating-point codebook says what
    a level `l` stands for:

    * []: one step; `l` stands for `step * l`.
    * [k]: ascending values; `l` stands for `codebook[l + number of negative values]`.
    * as many axes as the levels (2 or more), each of size 1 or full: a step for each slice.

    Args:
      path: where to write; an existing file is replaced.
      tensors: pairs of levels and codebook, by name. With None in place of the codebook, the first
        of the pair is an array that is stored as it is.
      threads: number of threads; None for as many as there are cores.

    Returns:
      The size of the file in bytes.

    Raises:
      TypeError: if a value is not a pair, or as `Writer.add_levels` and `Writer.add`.
      ValueError, OSError: as `Writer.add_levels` and `Writer.add`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp import codec
      >>> levels, step = np.array([[1, 0], [-1, 1]]), np.array(0.25)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = codec.write(f"{folder}/model.jxc", {"layer/kernel": (levels, step)})
      ...     print(codec.load(f"{folder}/model.jxc")["layer/kernel"])
      [[ 0.25  0.  ]
       [-0.25  0.25]]
    """
    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"tensors must be a dict of (levels, codebook), got a {type(tensors).__name__}"
        )
    for name, pair in tensors.items():
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise TypeError(
                f"{join((name,))} must be a pair (levels, codebook), got a {type(pair).__name__}"
            )
    with Writer(path, threads=threads) as writer:
        for name, (levels, codebook) in tensors.items():
            if codebook is None:
                writer.add((name,), levels)
            else:
                writer.add_levels((name,), levels, codebook)
    return writer.file_bytes


@contextmanager
def _named(names: Names) -> Iterator[None]:
    try:
        yield
    # Subclasses of these, such as jax's errors of traced values, take other arguments.
    except TypeError as error:
        raise TypeError(f"{join(names)}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{join(names)}: {error}") from error


def _checked(levels: Any, codebook: Any) -> FewValued:
    levels, codebook = np.asarray(levels), np.asarray(codebook)
    if levels.dtype.kind not in "iu":
        raise TypeError(f"levels must be integers, got {levels.dtype}")
    check_shape(levels.shape)
    dtype = dtype_of(code_of(codebook.dtype))
    if not is_floating(codebook.dtype):
        raise TypeError(f"a codebook must be of a floating-point type, got {codebook.dtype}")
    low, high = (int(levels.min()), int(levels.max())) if levels.size else (0, 0)
    if max(-low, high) > MAX_LEVEL:
        raise ValueError(f"levels are from {low} to {high}, beyond +-{MAX_LEVEL}")
    if codebook.ndim == 1:
        below = negatives(codebook)
        ascending = (codebook[1:] > codebook[:-1]).all() and not np.isnan(codebook).any()
        if not (1 <= codebook.size <= MAX_LEVEL and ascending):
            raise ValueError("the values of a codebook must be ascending, and at least one")
        if levels.size and (low < -below or high >= codebook.size - below):
            raise ValueError(
                f"levels are from {low} to {high}, but the codebook has values for "
                f"{-below} to {codebook.size - 1 - below}"
            )
    else:
        if codebook.ndim and (
            codebook.ndim != levels.ndim
            or any(c not in (1, n) for c, n in zip(codebook.shape, levels.shape, strict=True))
        ):
            raise ValueError(
                f"steps of shape {codebook.shape} do not fit levels of shape {levels.shape}: "
                "each axis must be of size 1 or full"
            )
        usable = (codebook > 0) & (codebook < np.inf)
        if not usable.all():
            raise ValueError(f"steps must be positive and finite, got {codebook[~usable].flat[0]}")
    return FewValued(
        np.asarray(levels, smallest_dtype(levels), order="C"),
        np.asarray(codebook, dtype, order="C"),
    )
