"""Opens checkpoints; the path tells their kind."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry
from jaxcomp.checkpoints.hdf5_file import open_hdf5
from jaxcomp.checkpoints.msgpack_file import open_msgpack
from jaxcomp.checkpoints.npz_file import open_npz
from jaxcomp.checkpoints.onnx_file import open_onnx
from jaxcomp.checkpoints.orbax_folder import open_orbax
from jaxcomp.checkpoints.safetensors_file import open_safetensors
from jaxcomp.checkpoints.shards import INDEX, indexes, open_shards
from jaxcomp.checkpoints.torch_file import open_torch
from jaxcomp.codec.names import EMPTY, NestedDict, Unflattened
from jaxcomp.files import naming

_OPENERS = {
    ".safetensors": open_safetensors,
    ".npz": open_npz,
    ".msgpack": open_msgpack,
    ".onnx": open_onnx,
    ".h5": open_hdf5,
    **dict.fromkeys((".pt", ".pth", ".bin"), open_torch),
}


@contextmanager
def open_checkpoint(path: str | os.PathLike) -> Iterator[Checkpoint]:
    """Yield a checkpoint from which arrays are loaded one at a time; use it in a `with` statement.

    Memory holds only the current array, except that `.msgpack` and `.onnx` files are read whole.

    Raises:
      CheckpointError: if the path is of no known kind, the content is not of that kind, or it is
        not an array; on entering the `with` statement or on loading.
      ImportError: if reading needs a package that is not installed.
      OSError: if it cannot be read.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp.checkpoints import open_checkpoint
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     np.savez(f"{folder}/model.npz", kernel=np.ones((2, 3)), bias=np.zeros(3))
      ...     with open_checkpoint(f"{folder}/model.npz") as checkpoint:
      ...         for entry in checkpoint.entries:
      ...             print(entry.name, entry.shape, checkpoint.load(entry).sum())
      kernel (2, 3) 6.0
      bias (3,) 0.0
    """
    path = Path(path)
    kind, opener = _choose(path)
    with ExitStack() as stack:
        with _explained(path, kind):
            inner = stack.enter_context(opener(path))

        def load(entry: Entry) -> np.ndarray:
            with _explained(path, kind):
                array = inner.load(entry)
            # Byte order and layout belong to the file, not to the weights.
            return np.asarray(array, entry.dtype.newbyteorder("="), order="C")

        yield replace(inner, load=load)


def read_checkpoint(path: str | os.PathLike) -> NestedDict:
    """Read all arrays of a checkpoint into a nested dict; items of lists get their index as name.

    Raises:
      CheckpointError: if two arrays have the same place, or as `open_checkpoint`.
      ImportError, OSError: as `open_checkpoint`.

    Example:
      >>> import numpy as np, tempfile
      >>> from jaxcomp.checkpoints import read_checkpoint
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     np.savez(f"{folder}/model.npz", kernel=np.eye(2))
      ...     print(read_checkpoint(f"{folder}/model.npz")["kernel"])
      [[1. 0.]
       [0. 1.]]
    """
    tree = Unflattened()
    with open_checkpoint(path) as checkpoint:
        leaves = chain(
            ((entry.names, checkpoint.load(entry)) for entry in checkpoint.entries),
            ((names, EMPTY) for names in checkpoint.empty),
        )
        for names, leaf in leaves:
            try:
                tree.add(names, leaf)
            except ValueError as error:
                raise CheckpointError(str(error)) from error
    return tree.root


def _choose(path: Path) -> tuple[str, Callable[[Path], AbstractContextManager[Checkpoint]]]:
    if path.suffix in _OPENERS:
        return path.suffix, _OPENERS[path.suffix]
    if path.name.endswith(INDEX):
        return INDEX, open_shards
    if path.suffix == ".gguf":
        raise CheckpointError(
            "GGUF files are not read: they have types of their own. Take the checkpoint that this "
            "one was made of"
        )
    if path.is_file() and _legacy_step(path) is not None:
        return "flax", open_msgpack
    if path.is_dir():
        each = ((_legacy_step(file), file) for file in path.iterdir())
        files = [(step, file) for step, file in each if step is not None]
        if files:
            _, last = max(files, key=lambda one: one[0])
            return "flax", lambda _: open_msgpack(last)
        found = indexes(path)
        if len(found) > 1:
            names = ", ".join(index.name for index in found)
            raise CheckpointError(f"the folder has several indexes, give one of them: {names}")
        if found:
            return INDEX, lambda _: open_shards(found[0])
        return "Orbax", open_orbax
    if not path.suffix and not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    raise CheckpointError(
        f"cannot read checkpoints of type {path.suffix!r}: choose from {', '.join(_OPENERS)}, "
        f"{INDEX}, or the folder of shards or of an Orbax checkpoint"
    )


def _legacy_step(path: Path) -> int | None:
    """Return the step of a file of `flax.training.checkpoints`, such as `checkpoint_5`, or None."""
    match = re.fullmatch(r".*_(\d+)", path.name)
    return int(match[1]) if match and path.is_file() else None


@contextmanager
def _explained(path: Path, kind: str) -> Iterator[None]:
    try:
        with naming(path):
            yield
    except (OSError, ImportError, CheckpointError):
        raise
    except Exception as error:  # each library has its own errors, and does not document all
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"not a valid {kind} checkpoint: {reason}") from error
