"""Codes arrays of many values byte by byte: only the first bytes of numbers are alike."""

import numpy as np

from jaxcomp.codec.coder import Coder, Encoder
from jaxcomp.codec.counted import code_counted

_FEWEST = 16  # the fewest values for which a model of a byte can pay
_GAIN = 0.98
_SAMPLE = 2**16
_TOGETHER = 2**16  # entries that are packed at a time, a multiple of 8
_WORK = 10  # nanoseconds for each byte


def code_planes(coder: Coder, dtype: np.dtype, count: int, values: np.ndarray | None) -> np.ndarray:
    """Code `count` values of a little-endian type exactly, bytes of the same weight together.

    The highest byte of all values comes first; see `code_plane`.
    """
    width = dtype.itemsize
    known = None if values is None else values.view(np.uint8).reshape(count, width)
    out = np.empty((count, width), np.uint8) if known is None else known
    for byte in reversed(range(width)):
        plane = None if known is None else np.ascontiguousarray(known[:, byte])
        code_plane(coder, 8, count, plane, out[:, byte])
    return out.reshape(-1).view(dtype)


def code_plane(
    coder: Coder, bits: int, count: int, plane: np.ndarray | None, out: np.ndarray
) -> None:
    """Code `count` numbers of some bits, uint8.

    A symbol says whether they are entropy-coded, as draws from one distribution, or stored as they
    are, one after another without gaps.

    Args:
      coder: see `Coder`.
      bits: of each number, at most 8.
      count: number of values.
      plane: the numbers to encode; None to decode.
      out: the array to decode to.
    """
    coder.budget.work(_WORK * count)
    modeled = None if plane is None else np.array([_pays(plane, bits)])
    if coder.symbols(np.ones(2), 1, modeled)[0]:
        code_counted(coder, 1 << bits, count, plane, out=out)
        return
    packed = None if plane is None else _packed(plane, bits)
    packed = coder.raw(-(-count * bits // 8), packed)
    if plane is None:
        _unpack(packed, bits, out)


def _packed(plane: np.ndarray, bits: int) -> bytes:
    """Return numbers one after another, the lowest bit of each first."""
    if bits == 8:
        return plane.tobytes()
    out = []
    for start in range(0, plane.size, _TOGETHER):
        part = plane[start : start + _TOGETHER, None]
        each = np.unpackbits(part, axis=1, count=bits, bitorder="little")
        out.append(np.packbits(each.reshape(-1), bitorder="little").tobytes())
    return b"".join(out)


def _unpack(packed: bytes | memoryview, bits: int, out: np.ndarray) -> None:
    data = np.frombuffer(packed, np.uint8)
    if bits == 8:
        out[:] = data
        return
    for start in range(0, out.size, _TOGETHER):
        size = min(_TOGETHER, out.size - start)
        part = data[start * bits // 8 :][: -(-size * bits // 8)]
        each = np.unpackbits(part, count=size * bits, bitorder="little").reshape(size, bits)
        out[start : start + size] = np.packbits(each, axis=1, bitorder="little")[:, 0]


def _pays(plane: np.ndarray, bits: int) -> bool:
    if plane.size < _FEWEST:
        return False
    # A long plane is judged by its beginning.
    plane = plane[:_SAMPLE]
    trial = Encoder()
    code_counted(trial, 1 << bits, plane.size, plane)
    return trial.size < _GAIN * bits * plane.size
