"""One array as a record of the header and a payload.

A record is `[dtype code, shape, payload bytes]` for an array stored as it is, and has a fourth
element, the codebook as bytes, for one stored as entropy-coded levels.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.codec import entropy
from jaxcomp.codec.dtypes import code_of, dtype_of
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.levels import MAX_VALUES, to_levels

MAX_AXES = 32
MAX_ELEMENTS = 2**36


class Record(NamedTuple):
    """The header's entry for one array, checked."""

    dtype: np.dtype
    shape: tuple[int, ...]
    payload_bytes: int
    codebook: np.ndarray | None  # shape [k], k <= 256; None for an array stored as it is

    @property
    def elements(self) -> int:
        """Number of entries of the array."""
        return math.prod(self.shape)


def encode_array(array: np.ndarray) -> tuple[list[Any], bytes]:
    """The smaller of the two forms of an array: its record, ready for the header, and its payload.

    Raises:
      TypeError: if a file cannot hold the array's type.
      ValueError: if it is beyond the limits of the format.
    """
    code = code_of(array.dtype)
    if not _within_limits(array.shape):
        raise ValueError(
            f"an array of shape {array.shape} is beyond the limits of the format: "
            f"{MAX_ELEMENTS} elements and {MAX_AXES} axes"
        )
    shape = list(array.shape)  # before `ascontiguousarray`, which makes a scalar one-dimensional
    array = np.ascontiguousarray(array, dtype_of(code))
    factored = to_levels(array)
    if factored is not None:
        levels, codebook = factored
        payload = entropy.encode(levels, len(codebook))
        if len(payload) + codebook.nbytes < array.nbytes:
            return [code, shape, len(payload), codebook.tobytes()], payload
    return [code, shape, array.nbytes], array.tobytes()


def parse_record(fields: list[Any]) -> Record:
    """Check a record read from a header, before any memory is taken for its array.

    Raises:
      FormatError: if it does not have the form of a record, or is beyond the limits.
    """
    if len(fields) not in (3, 4):
        raise FormatError(f"a record has {len(fields)} fields instead of 3 or 4")
    code, shape, payload_bytes = fields[:3]
    if not isinstance(shape, list) or not all(map(_is_size, [code, payload_bytes, *shape])):
        raise FormatError("a record's type, shape and length are not all non-negative integers")
    if not _within_limits(shape):
        raise FormatError(f"an array of shape {shape} is beyond the limits of the format")
    dtype, elements = dtype_of(code), math.prod(shape)
    if len(fields) == 3:
        if payload_bytes != elements * dtype.itemsize:
            raise FormatError(
                f"{payload_bytes} bytes are declared for an array of shape {shape} and type {dtype}"
            )
        return Record(dtype, tuple(shape), payload_bytes, None)
    codebook = fields[3]
    if not isinstance(codebook, bytes) or len(codebook) % dtype.itemsize:
        raise FormatError(f"a codebook does not consist of values of type {dtype}")
    if not 1 <= len(codebook) // dtype.itemsize <= MAX_VALUES:
        raise FormatError(f"a codebook of {len(codebook)} bytes has no or more than 256 values")
    return Record(dtype, tuple(shape), payload_bytes, np.frombuffer(codebook, dtype))


def decode_array(record: Record, payload: bytes) -> np.ndarray:
    """The array of a record, in the machine's byte order, writeable.

    Raises:
      FormatError: if the payload does not fit the record.
    """
    if record.codebook is None:
        array = np.frombuffer(payload, record.dtype)
    else:
        levels = entropy.decode(payload, record.elements, len(record.codebook))
        array = record.codebook[levels]
    return array.astype(record.dtype.newbyteorder("="), copy=True).reshape(record.shape)


def _within_limits(shape: Sequence[int]) -> bool:
    # numpy multiplies the axes of an array without elements too, and overflows.
    return len(shape) <= MAX_AXES and math.prod(n for n in shape if n) <= MAX_ELEMENTS


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
