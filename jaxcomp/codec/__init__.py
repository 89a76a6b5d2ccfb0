"""The `.jxc` file: entropy-coded weights, readable with numpy and the coder alone."""

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.file import (
    FileInfo,
    TensorInfo,
    Writer,
    arrays,
    describe,
    load,
    read,
    save,
    write,
)

__all__ = [
    "FileInfo",
    "FormatError",
    "TensorInfo",
    "Writer",
    "arrays",
    "describe",
    "load",
    "read",
    "save",
    "write",
]
