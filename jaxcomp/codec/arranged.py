"""Codes arrays whose entries are not like draws: repeated or sorted rows, symmetric matrices.

The bit patterns of the entries are put in another order, or replaced by differences. They are coded
as planes, or by LZMA, which finds repeated bytes.
"""

import enum
import importlib.util
import math
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.codec.coder import Coder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.planes import code_planes

_BYTES_OF_LENGTH = 5
_OVERHEAD = 64  # LZMA can be longer than the array by this and an eighth, in bytes
_WORK = 30  # nanoseconds for each byte
MEMORY = 5  # the memory of coding, for each byte of an array, in bytes
_WINDOW = 2**12, 2**26  # the fewest and the most bytes in which LZMA looks for repetitions


class Order(enum.IntEnum):
    """Names the order or the form in which the entries are coded."""

    ROWS = 0  # row-major
    COLUMNS = 1  # rows are the first axis and columns all others, column by column
    DIFFERENCES = 2  # each entry less the one before it, along the last axis
    SYMMETRIC = 3  # a square matrix from its diagonal on, row by row


class Way(NamedTuple):
    """Says in which order an array is coded, and whether by LZMA."""

    order: Order = Order.ROWS
    packed: bool = False  # whether LZMA codes it

    def number(self) -> int:
        """Return the byte that stands for this way in a file."""
        return 2 * self.order + self.packed

    @classmethod
    def of(cls, number: int, shape: tuple[int, ...]) -> "Way":
        """Return the way that a byte stands for.

        Raises:
          FormatError: if there is none, or not for an array of this shape.
        """
        order, packed = divmod(number, 2)
        if order > max(Order):
            raise FormatError(f"unknown order {order}: the file was written by a newer version")
        square = len(shape) == 2 and shape[0] == shape[1]
        if (order == Order.SYMMETRIC and not square) or (order != Order.ROWS and not shape):
            raise FormatError(f"an array of shape {shape} has no order {Order(order).name}")
        return cls(Order(order), bool(packed))


def code_arranged(
    coder: Coder, dtype: np.dtype, shape: tuple[int, ...], way: Way, values: np.ndarray | None
) -> np.ndarray:
    """Code an array in another order, and return its entries.

    Args:
      coder: see `Coder`.
      dtype: little-endian type of the entries.
      shape: of the array.
      way: its order, and whether LZMA codes it.
      values: the entries to encode, contiguous; None to decode.

    Returns:
      The entries in row-major order, flat.

    Raises:
      FormatError: if the bytes are not those of LZMA, or of an array of another size.
    """
    words = np.dtype(f"<u{dtype.itemsize}")
    known = None if values is None else _arranged(values.reshape(shape).view(words), way.order)
    rows = shape[0] if shape else 1
    count = rows * (rows + 1) // 2 if way.order == Order.SYMMETRIC else math.prod(shape)
    if way.packed:
        known = _code_packed(coder, words, count, known)
    else:
        known = code_planes(coder, words, count, known)
    if values is not None:
        return values.reshape(-1)
    return np.ascontiguousarray(_restored(known, shape, way.order)).reshape(-1).view(dtype)


def _arranged(words: np.ndarray, order: Order) -> np.ndarray:
    """Return the entries that are coded in place of some bit patterns, flat."""
    match order:
        case Order.COLUMNS:
            return np.ascontiguousarray(words.reshape(len(words), -1).T).reshape(-1)
        case Order.DIFFERENCES:
            return np.diff(words, axis=-1, prepend=words.dtype.type(0)).reshape(-1)
        case Order.SYMMETRIC:
            return words[np.triu_indices(len(words))]
    return words.reshape(-1)


def _restored(flat: np.ndarray, shape: tuple[int, ...], order: Order) -> np.ndarray:
    match order:
        case Order.COLUMNS:
            return flat.reshape(math.prod(shape[1:]), shape[0]).T
        case Order.DIFFERENCES:
            return np.cumsum(flat.reshape(shape), axis=-1, dtype=flat.dtype)
        case Order.SYMMETRIC:
            out = np.empty(shape, flat.dtype)
            places = np.triu_indices(shape[0])
            out[places] = out[places[::-1]] = flat
            return out
    return flat


def can_pack() -> bool:
    """Tell whether this Python has LZMA."""
    return importlib.util.find_spec("_lzma") is not None


def _lzma_of(words: np.ndarray) -> bytes:
    lzma = _library()
    options = {"preset": 9 | lzma.PRESET_EXTREME, **_options(words.itemsize, words.nbytes)}
    return lzma.compress(words, lzma.FORMAT_RAW, filters=[options])


def _code_packed(coder: Coder, dtype: np.dtype, count: int, words: np.ndarray | None) -> np.ndarray:
    size = count * dtype.itemsize
    coder.budget.work(_WORK * size)
    data = None if words is None else _lzma_of(words)
    length = None
    if data is not None:
        length = np.frombuffer(len(data).to_bytes(_BYTES_OF_LENGTH, "little"), np.uint8)
    length = coder.symbols(np.ones(256), _BYTES_OF_LENGTH, length).astype(np.uint8)
    packed_bytes = int.from_bytes(length.tobytes(), "little")
    if packed_bytes > size + size // 8 + _OVERHEAD:
        raise FormatError(f"{packed_bytes} bytes of LZMA are declared for an array of {size}")
    data = coder.raw(packed_bytes, data)
    if words is not None:
        return words
    lzma = _library()
    try:
        options = _options(dtype.itemsize, size)
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[options])
        found = decoder.decompress(data, size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise FormatError(f"what LZMA should have written is damaged: {error}") from error
    if len(found) != size or not decoder.eof or decoder.unused_data:
        raise FormatError(f"LZMA has {len(found)} bytes or more for an array of {size}")
    return np.frombuffer(found, dtype)


def _options(itemsize: int, size: int) -> dict[str, Any]:
    """Return the options of LZMA for an array, from the bytes of an entry and of the whole."""
    lowest, highest = _WINDOW
    place = itemsize.bit_length() - 1  # bits that count the bytes of an entry
    return {
        "id": _library().FILTER_LZMA1,
        "dict_size": min(max(lowest, 1 << max(0, size - 1).bit_length()), highest),
        "lc": min(2, 4 - place),
        "lp": place,
        "pb": place,
    }


def _library() -> ModuleType:
    # LZMA is part of Python, but some builds lack it.
    try:
        import lzma
    except ImportError as error:
        raise ImportError("the file needs lzma, which this Python was built without") from error
    return lzma
