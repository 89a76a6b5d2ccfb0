"""The `.jxc` file: entropy-coded weights, readable with numpy and the coder alone."""

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.file import FileInfo, TensorInfo, describe, load, save

__all__ = ["FileInfo", "FormatError", "TensorInfo", "describe", "load", "save"]
