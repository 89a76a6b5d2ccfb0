"""Arrays of many values, byte by byte: only the first bytes of numbers are alike."""

import numpy as np

from jaxcomp.codec.coder import Coder, Encoder
from jaxcomp.codec.counted import code_counted

_FEWEST = 16  # values for which a model of a byte can pay
_GAIN = 0.98
_SAMPLE = 2**16
_WORK = 10  # nanoseconds for each byte


def code_planes(coder: Coder, dtype: np.dtype, count: int, values: np.ndarray | None) -> np.ndarray:
    """Code `count` values of a little-endian type exactly, bytes of the same weight together.

    The highest byte of each value comes first. A bit tells whether a plane is entropy-coded, as
    draws from one distribution, or stored as it is.
    """
    width = dtype.itemsize
    known = None if values is None else values.view(np.uint8).reshape(count, width)
    coder.budget.work(_WORK * count * width)
    out = np.empty((count, width), np.uint8) if known is None else known
    for byte in reversed(range(width)):
        plane = None if known is None else np.ascontiguousarray(known[:, byte])
        modeled = None if plane is None else np.array([_pays(plane)])
        if coder.symbols(np.ones(2), 1, modeled)[0]:
            code_counted(coder, 256, count, plane, out=out[:, byte])
        elif plane is None:
            out[:, byte] = np.frombuffer(coder.raw(count, None), np.uint8)
        else:
            coder.raw(count, plane.tobytes())
    return out.reshape(-1).view(dtype)


def _pays(plane: np.ndarray) -> bool:
    if plane.size < _FEWEST:
        return False
    # A long plane pays if the beginning of it does.
    plane = plane[:_SAMPLE]
    trial = Encoder()
    code_counted(trial, 256, plane.size, plane)
    return trial.size < _GAIN * 8 * plane.size
