"""Codes the facts about an array that a file has before its values."""

import enum
import math
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.arranged import Way
from jaxcomp.codec.dtypes import FIELDS, code_of, dtype_of, is_floating, signed_dtype
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.grid import MAX_LEVEL
from jaxcomp.codec.limits import MAX_AXES, MAX_ELEMENTS
from jaxcomp.codec.scheme import Scheme, code_scheme
from jaxcomp.codec.text import Text

TYPES = 32  # the number of types that the byte of kind and type has room for
END_OF_VERSION_2 = 6 * TYPES  # kinds from here on are newer
APART, SAME = 254, 255  # these stand in place of that byte: see `Apart` and `Same`


class Kind(enum.IntEnum):
    """Names what the values of an array are made of."""

    PLAIN = 0  # every entry by itself
    SPARSE = 1  # a pattern of zeros, and the other entries
    TABLE = 2  # levels and the values they stand for
    MIRRORED = 3  # a table whose negative values mirror the positive ones
    STEP = 4  # levels and a step
    STEPS = 5  # levels and a step for each slice
    FLOATS = 6  # every entry by itself, its exponent first
    ARRANGED = 7  # every entry, some of which are like others


_WITHOUT_LEVELS = (Kind.PLAIN, Kind.ARRANGED)


class Facts(NamedTuple):
    """Holds what a file says of an array before its values."""

    kind: Kind
    dtype: np.dtype
    shape: tuple[int, ...]
    bounds: tuple[int, int] = (0, 0)  # smallest and largest level, or 0
    zero: bool = False  # whether a mirrored table has 0 in its middle
    step_shape: tuple[int, ...] = ()
    scheme: Scheme = Scheme()
    highest: int = 0  # the highest exponent of floats, subtracted from the levels
    way: Way = Way()  # how an arranged array is arranged

    @property
    def whole(self) -> bool:
        """Return whether the array cannot be coded part by part."""
        return self.scheme.settings is not None or self.kind == Kind.ARRANGED

    @property
    def few(self) -> bool:
        """Return whether the entries are those of a codebook."""
        return Kind.TABLE <= self.kind <= Kind.STEPS

    @property
    def size(self) -> int:
        """Return the number of entries."""
        return math.prod(self.shape)

    def table_sizes(self) -> tuple[int, int]:
        """Return the number of values of a table, and how many of them are stored."""
        low, high = self.bounds
        if self.kind == Kind.MIRRORED:
            return 2 * -low + self.zero, -low
        return high - low + 1, high - low + 1

    @property
    def codebook_size(self) -> int:
        """Return the number of values that levels stand for, or of steps."""
        if self.kind in (Kind.TABLE, Kind.MIRRORED):
            return self.table_sizes()[0]
        return math.prod(self.step_shape) if self.kind in (Kind.STEP, Kind.STEPS) else 0

    @property
    def level_dtype(self) -> type[np.signedinteger]:
        """Return the type of the levels."""
        return signed_dtype(*self.bounds)

    @property
    def level_bytes(self) -> int:
        """Return the bytes of all levels."""
        if self.kind in _WITHOUT_LEVELS:
            return 0
        return self.size * np.dtype(self.level_dtype).itemsize


def check_shape(shape: tuple[int, ...]) -> None:
    """Raise a ValueError if an array of this shape is beyond the limits of the format."""
    # numpy multiplies the axes of an array even if it has no elements, and overflows.
    if len(shape) > MAX_AXES or math.prod(n for n in shape if n) > MAX_ELEMENTS:
        raise ValueError(
            f"an array of shape {tuple(shape)} is beyond the limits of the format: "
            f"{MAX_ELEMENTS} elements and {MAX_AXES} axes"
        )


def code_facts(text: Text, known: Facts | None, first: int | None = None) -> Facts:
    """Code the facts about an array.

    Args:
      text: the stream of the file's text.
      known: the facts to encode; None to decode.
      first: the byte of kind and type, if it has been decoded already.

    Raises:
      FormatError: if they contradict each other or exceed the limits.
    """
    if first is None:
        first = text.byte(None if known is None else TYPES * known.kind + code_of(known.dtype))
    kind, code = divmod(first, TYPES)
    kind, dtype = Kind(kind), dtype_of(code)
    axes = text.byte(None if known is None else len(known.shape))
    if axes > MAX_AXES:
        raise FormatError(f"an array of {axes} axes is beyond the limits of the format")
    shape = tuple(text.number(None if known is None else known.shape[i]) for i in range(axes))
    try:
        check_shape(shape)
    except ValueError as error:
        raise FormatError(str(error)) from None
    bounds, zero, step_shape, scheme, highest, way = (0, 0), False, (), Scheme(), 0, Way()
    if kind == Kind.ARRANGED:
        way = Way.of(text.byte(None if known is None else known.way.number()), shape)
    elif kind == Kind.FLOATS:
        highest = text.number(None if known is None else known.highest)
        bounds = (-text.number(None if known is None else -known.bounds[0]), 0)
        if dtype.name not in FIELDS:
            raise FormatError(f"an array of kind {kind.name} cannot be of type {dtype}")
        if not -bounds[0] <= highest < 1 << FIELDS[dtype.name][0]:
            raise FormatError(f"exponents from {highest + bounds[0]} to {highest}")
    elif kind == Kind.SPARSE:
        bounds = (0, 1)
    elif kind == Kind.MIRRORED:
        number = text.number(None if known is None else 2 * -known.bounds[0] + known.zero)
        zero = bool(number & 1)
        bounds = (-(number >> 1), (number >> 1) - (not zero))
    elif kind != Kind.PLAIN:
        low = text.number(None if known is None else -known.bounds[0])
        high = text.number(None if known is None else known.bounds[1] + (kind == Kind.TABLE))
        bounds = (-low, high - (kind == Kind.TABLE))
    if max(-bounds[0], bounds[1]) > MAX_LEVEL + 1:
        raise FormatError(f"levels from {bounds[0]} to {bounds[1]} are beyond the limits")
    if (kind in (Kind.STEP, Kind.STEPS) and dtype.kind == "b") or (
        kind == Kind.MIRRORED and not is_floating(dtype)
    ):
        raise FormatError(f"an array of kind {kind.name} cannot be of type {dtype}")
    if kind == Kind.STEPS and axes < 2:
        raise FormatError("steps for each slice are for two axes or more")
    if kind in (Kind.TABLE, Kind.MIRRORED) and bounds[1] < bounds[0]:
        raise FormatError("a table without values")
    if kind == Kind.STEPS:
        step_shape = tuple(
            shape[i] if text.byte(None if known is None else int(known.step_shape[i] != 1)) else 1
            for i in range(axes)
        )
    if kind not in _WITHOUT_LEVELS:
        scheme = code_scheme(text, axes, bounds, None if known is None else known.scheme)
    if kind == Kind.FLOATS and scheme.settings is not None:
        raise FormatError("exponents cannot be coded row by row")
    return Facts(kind, dtype, shape, bounds, zero, step_shape, scheme, highest, way)
