"""Measures how far rounded weights are from the original ones."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

_TRIMMED = 1000  # one weight in so many may hide the others
_TOGETHER = 2**16  # entries that are compared at a time: a network may be as large as the memory


class Error(NamedTuple):
    """Holds `||before - after||_2` and `||before||_2`, in units of `2 ** exponent`.

    Example:
      >>> Error(change=1.0, norm=4.0).relative
      0.25
    """

    change: float
    norm: float
    exponent: int = 0  # that of the largest weight, so that no square is too large for a float

    @property
    def relative(self) -> float:
        """Return the change over the norm; 0 for the zero vector."""
        return self.change / self.norm if self.norm else 0.0


def error_of(before: np.ndarray, after: np.ndarray, below: float = math.inf) -> Error:
    """Measure the error of the entries whose magnitude was less than `below`, or not a number.

    Infinite or undefined entries that stay have no error.

    Args:
      before: NumPy array of any shape.
      after: array of the same shape.
      below: bound on the magnitudes in `before`.

    Example:
      >>> import numpy as np
      >>> round(error_of(np.array([3.0, 4.0]), np.array([3.0, 3.0])).relative, 4)
      0.2
    """
    before, after = before.reshape(-1), after.reshape(-1)
    exponent = int(np.frexp(_largest(before, below))[1])
    squares = np.zeros(2)
    for start in range(0, before.size, _TOGETHER):
        part = slice(start, start + _TOGETHER)
        exact, other = before[part].astype(np.float64), after[part].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # of results far from their weights
            change = np.ldexp(exact, -exponent) - np.ldexp(other, -exponent)
        out = (np.abs(exact) >= below) & (below < math.inf)
        change[(exact == other) | (np.isnan(exact) & np.isnan(other)) | out] = 0
        exact[(np.isnan(exact) & np.isnan(other)) | out] = 0
        exact = np.ldexp(exact, -exponent)
        squares += change @ change, exact @ exact
    distance, norm = map(float, np.sqrt(squares))
    return Error(distance, norm, exponent)


def relative_error(before: np.ndarray, after: np.ndarray) -> float:
    """Return `||before - after||_2 / ||before||_2`; 0 if both are the same, bit for bit.

    Example:
      >>> import numpy as np
      >>> round(relative_error(np.array([3.0, 4.0]), np.array([3.0, 3.0])), 4)
      0.2
    """
    if before is after or before.dtype.kind in "biu":
        return 0.0
    error = error_of(before, after)
    return error.relative if error.change else 0.0


def trimmed_error(before: np.ndarray, after: np.ndarray) -> float:
    """Return the relative error without the thousandth of largest magnitude, at least one weight.

    One huge weight can hide the loss of all others in the relative error; here it cannot.

    Returns:
      The trimmed error, or the relative error of all weights if the others are all zero.

    Example:
      >>> import numpy as np
      >>> before, after = np.array([1e6, 1.0, 1.0]), np.array([1e6, 0.0, 0.0])
      >>> f"{relative_error(before, after):.1e} {trimmed_error(before, after)}"
      '1.4e-06 1.0'
    """
    magnitudes = np.abs(before.reshape(-1))
    if magnitudes.dtype.itemsize < 4:
        magnitudes = magnitudes.astype(np.float32)
    leave_out = max(1, int(np.count_nonzero(magnitudes)) // _TRIMMED)
    place = magnitudes.size - leave_out
    if place > 0:
        magnitudes.partition(place)
        trimmed = error_of(before, after, float(magnitudes[place]))
        if trimmed.norm:
            return trimmed.relative
    return relative_error(before, after)


def total(errors: Iterable[Error]) -> Error:
    """Combine the errors of several arrays into the error of one vector.

    Example:
      >>> total([Error(3.0, 6.0), Error(4.0, 8.0)])
      Error(change=5.0, norm=10.0, exponent=0)
    """
    errors = list(errors)
    top = max((error.exponent for error in errors), default=0)
    in_one_unit = [
        [math.ldexp(part, error.exponent - top) for part in (error.change, error.norm)]
        for error in errors
    ]
    change, norm = (math.hypot(*parts) for parts in zip((0.0, 0.0), *in_one_unit, strict=True))
    return Error(change, norm, top)


def _largest(w: np.ndarray, below: float) -> float:
    """Return the largest finite magnitude below a bound."""
    largest = 0.0
    for start in range(0, w.size, _TOGETHER):
        magnitudes = np.abs(w[start : start + _TOGETHER])
        counted = np.isfinite(magnitudes) & (magnitudes < below)
        largest = max(largest, float(magnitudes.max(where=counted, initial=0)))
    return largest
