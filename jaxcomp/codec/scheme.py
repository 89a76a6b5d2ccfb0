"""How an array of levels is coded: by the scales of its slices, or row by row."""

import math
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.adaptive import MAX_MAGNITUDE, Settings, code_adaptive
from jaxcomp.codec.coder import Coder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.scaled import Axes, code_factors, code_scaled
from jaxcomp.codec.text import Text

# Which axes the scale can vary with. The last two of more than two are those of a flax kernel.
AXES: tuple[Axes, ...] = ((), (0,), (1,), (0, 1), (-2,), (-1,), (-2, -1))
_ADAPTIVE = 8  # scheme bytes below are indices into AXES, and 8 bits from here on are flags
_TRANSPOSED, _BY_LAST_AXIS, _DENSITIES = 1, 2, 4

MAX_PERIOD = 2**20


class Scheme(NamedTuple):
    """How an array of levels is coded."""

    axes: Axes = ()  # along which the scale varies, unless it is coded row by row
    settings: Settings | None = None  # row by row
    transposed: bool = False
    by_last_axis: bool = False  # columns are the last axis, rather than all but the first

    def matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of the matrix, before it is transposed."""
        if len(shape) < 2:
            return math.prod(shape), 1
        if self.by_last_axis:
            return math.prod(shape[:-1]), shape[-1]
        return shape[0], math.prod(shape[1:])


def code_scheme(text: Text, axes: int, bounds: tuple[int, int], scheme: Scheme | None) -> Scheme:
    """Code a scheme for an array of some number of axes and smallest and largest level.

    Raises:
      FormatError: if there is no such scheme, or it is not for such an array.
    """
    byte = None
    if scheme is not None and scheme.settings is None:
        byte = AXES.index(scheme.axes)
    elif scheme is not None:
        flags = (scheme.transposed, scheme.by_last_axis, scheme.settings.densities)
        byte = _ADAPTIVE + sum(flag << bit for bit, flag in enumerate(flags))
    byte = text.byte(byte)
    if byte < len(AXES):
        if AXES[byte] and axes < 2:
            raise FormatError(f"scheme {byte} is for two axes or more")
        return Scheme(AXES[byte])
    if not _ADAPTIVE <= byte < 2 * _ADAPTIVE:
        raise FormatError(f"unknown scheme {byte}")
    if max(-bounds[0], bounds[1]) > MAX_MAGNITUDE:
        raise FormatError(f"scheme {byte} is for levels up to {MAX_MAGNITUDE}")
    flags = byte - _ADAPTIVE
    period = text.number(None if scheme is None else scheme.settings.period)
    if not 1 <= period <= MAX_PERIOD:
        raise FormatError(f"a period of {period} rows")
    return Scheme(
        settings=Settings(period, bool(flags & _DENSITIES)),
        transposed=bool(flags & _TRANSPOSED),
        by_last_axis=bool(flags & _BY_LAST_AXIS),
    )


def code_levels(
    coder: Coder,
    shape: tuple[int, ...],
    bounds: tuple[int, int],
    scheme: Scheme,
    hints: dict[int, np.ndarray],
    levels: np.ndarray | None,
) -> np.ndarray:
    """Code an array of levels; arguments and errors as `code_scaled` and `code_by_rows`."""
    if scheme.settings is not None:
        return code_by_rows(coder, shape, bounds, scheme, hints, levels)
    factors = code_factors(coder, shape, scheme.axes, levels)
    whole, flat = slice(0, math.prod(shape)), None if levels is None else levels.reshape(-1)
    return code_scaled(coder, shape, bounds, scheme.axes, factors, whole, flat).reshape(shape)


def code_by_rows(
    coder: Coder,
    shape: tuple[int, ...],
    bounds: tuple[int, int],
    scheme: Scheme,
    hints: dict[int, np.ndarray],
    levels: np.ndarray | None,
) -> np.ndarray:
    """Code an array of levels row by row; arguments as `code_adaptive`, for the array.

    Which rows and columns are alive is added to `hints`.

    Raises:
      FormatError: if a level that was decoded is out of bounds.
    """
    matrix = None
    rows_columns = scheme.matrix_shape(shape)
    if levels is not None:
        matrix = levels.reshape(rows_columns)
        matrix = matrix.T if scheme.transposed else matrix
    if scheme.transposed:
        rows_columns = rows_columns[::-1]
    matrix = code_adaptive(coder, rows_columns, bounds, scheme.settings, hints, matrix)
    low, high = int(matrix.min()), int(matrix.max())
    if low < bounds[0] or high > bounds[1]:
        raise FormatError(f"levels from {low} to {high} are declared to be in {bounds}")
    for axis, size in enumerate(rows_columns):
        hints[size] = matrix.any(axis=1 - axis)
    matrix = matrix.T if scheme.transposed else matrix
    return matrix.reshape(shape)
