"""Reads `.pt`, `.pth` and `.bin` files: tensors in dicts, as `torch.save` writes them.

The files are pickles. PyTorch reads them without executing anything (`weights_only`), and only
PyTorch knows which parts of a pickle tensors need.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, CheckpointError, Entry, entry, leaves
from jaxcomp.codec.names import EMPTY


@contextmanager
def open_torch(path: Path) -> Iterator[Checkpoint]:
    """Yield the tensors of a file under the keys of its dicts; everything else is left out.

    Raises:
      CheckpointError: if the file has more than tensors, numbers and text, or a tensor is sparse.
      ImportError: if PyTorch is not installed.
    """
    torch = _library()
    tensors, empty, others = {}, [], []
    for names, leaf in leaves(_loaded(torch, path)):
        if isinstance(leaf, torch.Tensor):
            if leaf.layout != torch.strided or leaf.is_quantized:
                name = "/".join(map(str, names))
                raise CheckpointError(f"{name!r} is sparse or quantized by PyTorch: make it dense")
            tensors[names] = leaf.detach()
        elif leaf is EMPTY:
            empty.append(names)
        else:
            others.append("/".join(map(str, names)))
    entries = tuple(
        entry(names, tuple(tensor.shape), _dtype(tensor)) for names, tensor in tensors.items()
    )

    def load(wanted: Entry) -> np.ndarray:
        tensor = tensors[wanted.names]
        if wanted.dtype == ml_dtypes.bfloat16:  # numpy does not know this type
            tensor = tensor.contiguous().view(torch.int16)
        return tensor.numpy().view(wanted.dtype)

    remarks = ()
    if others:
        remarks = (
            f"{len(others)} entries that are no tensors, such as {others[0]!r}, are left out",
        )
    yield Checkpoint(entries, load, tuple(empty), {"format": "pt"}, remarks)


def _loaded(torch: ModuleType, path: Path) -> Any:
    options = {"map_location": "cpu", "weights_only": True}
    try:
        try:
            tree = torch.load(path, mmap=True, **options)
        except RuntimeError:  # the file is of a version before 1.6
            tree = torch.load(path, **options)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            "it holds more than tensors, which would be executed: save its `state_dict()` alone"
        ) from error
    if not isinstance(tree, dict):
        raise CheckpointError(f"it holds a {type(tree).__name__} instead of a dict of tensors")
    return tree


def _dtype(tensor: Any) -> np.dtype:
    return np.dtype(str(tensor.dtype).removeprefix("torch."))


def _library() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "this needs PyTorch, which alone can read it: pip install torch. Or store the network "
            "as .safetensors where PyTorch is: safetensors.torch.save_file(model.state_dict(), ...)"
        ) from error
    return torch
