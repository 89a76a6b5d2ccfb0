"""Files that are written to see how large they are."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import jaxcomp
from jaxcomp import codec


def file_bytes(levels: dict[str, tuple[np.ndarray, np.ndarray]]) -> int:
    """Return the bytes of a file of levels and steps."""
    with tempfile.TemporaryDirectory() as folder:
        return codec.write(Path(folder) / "levels.jxc", levels)


def lossless_bytes(params: Any) -> int:
    """Return the bytes of a file of a tree of arrays as they are."""
    with tempfile.TemporaryDirectory() as folder:
        return jaxcomp.save(Path(folder) / "model.jxc", params)
