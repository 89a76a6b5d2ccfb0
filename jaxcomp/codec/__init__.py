"""Reads and writes the `.jxc` file of entropy-coded weights; needs NumPy and the coder, not jax."""

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import Limits
from jaxcomp.codec.reading import (
    File,
    FileInfo,
    TensorInfo,
    arrays,
    describe,
    load,
    metadata,
    open,
    read,
)
from jaxcomp.codec.writing import Writer, save, write

__all__ = [
    "File",
    "FileInfo",
    "FormatError",
    "Limits",
    "TensorInfo",
    "Writer",
    "arrays",
    "describe",
    "load",
    "metadata",
    "open",
    "read",
    "save",
    "write",
]
