"""Files that are written to see how large they are, and read back."""

import tempfile
from pathlib import Path

import numpy as np

import jaxcomp
from jaxcomp import codec


def file_bytes(levels: dict[str, tuple[np.ndarray, np.ndarray]]) -> int:
    """Return the bytes of a file of levels and steps, by name.

    Raises:
      AssertionError: if others are read back.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "levels.jxc"
        size = codec.write(path, levels)
        for name, found in codec.read(path).items():
            for one, other in zip(found, levels[name], strict=True):
                np.testing.assert_array_equal(one, other)
        return size


def lossless_bytes(arrays: dict[str, np.ndarray]) -> int:
    """Return the bytes of a file of arrays as they are, by name.

    Raises:
      AssertionError: if others are read back.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.jxc"
        size = jaxcomp.save(path, arrays)
        for name, found in jaxcomp.load(path).items():
            np.testing.assert_array_equal(found.view(np.uint8), arrays[name].view(np.uint8))
        return size
