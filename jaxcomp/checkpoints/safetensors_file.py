"""`.safetensors` files: a header of names, types and shapes, then the arrays."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry

_TYPES = {
    "BOOL": "bool",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}


@contextmanager
def open_safetensors(path: Path) -> Iterator[Checkpoint]:
    """The arrays of a file, in the order of its header."""
    library = _library()

    def load(wanted: Entry) -> np.ndarray:
        # Opened for each array: the file is mapped into memory, and what was read stays there as
        # long as it is open.
        with library.safe_open(path, framework="numpy") as file:
            return file.get_tensor(wanted.names[0])

    with library.safe_open(path, framework="numpy") as file:
        found = []
        for name in file.keys():  # noqa: SIM118, it is not a dict
            header = file.get_slice(name)
            found.append(entry((name,), header.get_shape(), _dtype(name, header.get_dtype())))
    yield Checkpoint(tuple(found), load)


def write_safetensors(path: Path, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write a file. All arrays are in memory: the library writes a file in one call."""
    import safetensors.numpy

    # Not `ascontiguousarray`, which makes a scalar one-dimensional.
    safetensors.numpy.save_file({name: np.asarray(a, order="C") for name, a in arrays}, path)


def check_library() -> None:
    """Raises an ImportError that says what to install, if the library is missing."""
    _library()


def _library() -> ModuleType:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError('this needs safetensors: pip install "jaxcomp[compress]"') from error
    return safetensors


def _dtype(name: str, stored: str) -> np.dtype:
    if stored == "BF16":
        import ml_dtypes  # comes with jax

        return np.dtype(ml_dtypes.bfloat16)
    if stored not in _TYPES:
        raise CheckpointError(
            f"{name!r} is of type {stored}: convert it to one of BF16, {', '.join(_TYPES)}"
        )
    return np.dtype(_TYPES[stored])
