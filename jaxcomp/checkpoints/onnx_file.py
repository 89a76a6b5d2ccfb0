"""Reads `.onnx` files: the initializers of a graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from jaxcomp.checkpoints.checkpoint import Checkpoint, Entry, entry
from jaxcomp.checkpoints.library import library
from jaxcomp.codec.names import Names


@contextmanager
def open_onnx(path: Path) -> Iterator[Checkpoint]:
    """Yield the initializers of a file, in their order, under their names.

    Memory holds the graph and its small arrays. Arrays in files of their own beside it are read
    when they are loaded.
    """
    onnx = library("onnx", "onnx")
    model = onnx.load(path, load_external_data=False)
    tensors: dict[Names, Any] = {}
    remarks = []
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.STRING:
            remarks.append(f"{tensor.name!r} is text, and left out")
        else:
            tensors[(tensor.name,)] = tensor
    if model.graph.sparse_initializer:
        remarks.append(f"{len(model.graph.sparse_initializer)} sparse initializers are left out")
    entries = tuple(
        entry(names, tuple(tensor.dims), onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        for names, tensor in tensors.items()
    )

    def load(wanted: Entry) -> np.ndarray:
        return onnx.numpy_helper.to_array(tensors[wanted.names], base_dir=str(path.parent))

    yield Checkpoint(entries, load, remarks=tuple(remarks))
