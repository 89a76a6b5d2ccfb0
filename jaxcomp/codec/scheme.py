"""Describes how an array of levels is coded: by the scales of its slices, or row by row."""

import math
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.adaptive import MAX_MAGNITUDE, Settings, code_adaptive
from jaxcomp.codec.coder import Coder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.prior import FORMS, MOST, MOST_LEVELS, STRENGTHS, Prior
from jaxcomp.codec.scaled import Axes, code_factors, code_scaled, slice_factors
from jaxcomp.codec.text import Text

# The scale can vary along these axes. Those from the end are for kernels of more than two axes.
AXES_OF_MATRIX: tuple[Axes, ...] = ((), (0,), (1,), (0, 1))
AXES = (*AXES_OF_MATRIX, (-2,), (-1,), (-2, -1), (0, -1))
# Scheme bytes below this are indices into `AXES`. Those from twice this on are too, with a prior.
# In the bytes between, the three low bits are flags.
_ADAPTIVE = 8
_TRANSPOSED, _BY_LAST_AXIS, _DENSITIES = 1, 2, 4

MAX_PERIOD = 2**20


class Scheme(NamedTuple):
    """Says how an array of levels is coded."""

    axes: Axes = ()  # axes along which the scale varies, unless it is coded row by row
    prior: Prior | None = None  # the prior of the levels; without one they are learned
    settings: Settings | None = None  # settings of coding row by row
    transposed: bool = False
    by_last_axis: bool = False  # whether columns are the last axis, rather than all but the first

    def matrix_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the rows and columns of the matrix, before it is transposed."""
        if len(shape) < 2:
            return math.prod(shape), 1
        if self.by_last_axis:
            return math.prod(shape[:-1]), shape[-1]
        return shape[0], math.prod(shape[1:])


def code_scheme(text: Text, axes: int, bounds: tuple[int, int], scheme: Scheme | None) -> Scheme:
    """Code a scheme for an array with so many axes and these bounds of levels.

    Raises:
      FormatError: if there is no such scheme, or it does not fit such an array.
    """
    if scheme is None:
        byte = None
    elif scheme.settings is None:
        byte = AXES.index(scheme.axes) + 2 * _ADAPTIVE * (scheme.prior is not None)
    else:
        flags = (scheme.transposed, scheme.by_last_axis, scheme.settings.densities)
        byte = _ADAPTIVE + sum(flag << bit for bit, flag in enumerate(flags))
    byte = text.byte(byte)
    if not 0 <= byte < 3 * _ADAPTIVE:
        raise FormatError(f"unknown scheme {byte}: the file was written by a newer version")
    if byte // _ADAPTIVE != 1:
        along = AXES[byte % _ADAPTIVE]
        if along and axes < 2:
            raise FormatError(f"scheme {byte} is for two axes or more")
        if byte < _ADAPTIVE:
            return Scheme(along)
        if bounds[1] - bounds[0] >= MOST_LEVELS:
            raise FormatError(f"scheme {byte} is for {MOST_LEVELS} levels at most")
        return Scheme(along, _code_prior(text, None if scheme is None else scheme.prior))
    if max(-bounds[0], bounds[1]) > MAX_MAGNITUDE:
        raise FormatError(f"scheme {byte} is for levels up to {MAX_MAGNITUDE}")
    flags = byte - _ADAPTIVE
    settings = None if scheme is None else scheme.settings
    period = text.number(None if settings is None else settings.period)
    if not 1 <= period <= MAX_PERIOD:
        raise FormatError(f"a period of {period} rows")
    return Scheme(
        settings=Settings(period, bool(flags & _DENSITIES)),
        transposed=bool(flags & _TRANSPOSED),
        by_last_axis=bool(flags & _BY_LAST_AXIS),
    )


def axes_of(number: int) -> tuple[Axes, ...]:
    """Return the choices of axes along which the scale of an array of so many axes can vary."""
    if number < 2:
        return AXES[:1]
    return AXES if number > 2 else AXES_OF_MATRIX


def _code_prior(text: Text, prior: Prior | None) -> Prior:
    return Prior(
        text.symbol(MOST + 1, None if prior is None else prior.scale),
        text.symbol(FORMS, None if prior is None else prior.form),
        text.symbol(len(STRENGTHS), None if prior is None else prior.strength),
    )


def code_levels(
    coder: Coder,
    shape: tuple[int, ...],
    bounds: tuple[int, int],
    scheme: Scheme,
    hints: dict[int, np.ndarray],
    levels: np.ndarray | None,
) -> np.ndarray:
    """Code an array of levels; arguments and errors as for `code_scaled` and `code_by_rows`."""
    if scheme.settings is not None:
        return code_by_rows(coder, shape, bounds, scheme, hints, levels)
    factors = None if levels is None else tuple(slice_factors(levels, a) for a in scheme.axes)
    factors = code_factors(coder, shape, scheme.axes, factors)
    whole, flat = slice(0, math.prod(shape)), None if levels is None else levels.reshape(-1)
    told = scheme.axes, factors, scheme.prior
    return code_scaled(coder, shape, bounds, *told, whole, flat).reshape(shape)


def code_by_rows(
    coder: Coder,
    shape: tuple[int, ...],
    bounds: tuple[int, int],
    scheme: Scheme,
    hints: dict[int, np.ndarray],
    levels: np.ndarray | None,
) -> np.ndarray:
    """Code an array of levels row by row; the arguments are those of `code_adaptive`.

    The call adds to `hints` which rows and columns are alive.

    Raises:
      FormatError: if a level that was decoded is out of bounds.
    """
    assert scheme.settings is not None
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
        hints[size] = np.any(matrix, axis=1 - axis)
    matrix = matrix.T if scheme.transposed else matrix
    return matrix.reshape(shape)
