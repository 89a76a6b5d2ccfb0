"""Finds values that are multiples of one step."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from jaxcomp.codec.dtypes import is_integer

MAX_LEVEL = 2**15 - 1  # the largest magnitude of a level
_WIDEST = 4  # levels between the smallest and the largest, at most, for each value
_MANY = 16  # a table of fewer values costs next to nothing, and fits a wrong grid by chance


def multiples(levels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return `levels * steps`, rounded once, in the type of `steps`."""
    # The product of a level and a step of any other floating-point type is exact in float64. numpy
    # converts a few at a time.
    wide = np.float64
    out = np.empty(np.broadcast_shapes(levels.shape, steps.shape), steps.dtype)
    if is_integer(steps.dtype):
        # Integer types that numpy does not know have few bits.
        wide = np.int32 if steps.dtype.kind == "V" else steps.dtype
        steps = steps.astype(wide)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.multiply(levels, steps, out=out, dtype=wide, casting="unsafe")


def fit_grid(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a step, shape [], and its multiples, shape [k], that are exactly these values.

    Args:
      values: distinct and ascending, shape [k].

    Returns:
      None if there is no such step, or if the multiples would be spread too thin.
    """
    if values.dtype.kind == "b":
        return None
    widest = min(MAX_LEVEL, _WIDEST * len(values))
    candidates = _integers(values) if is_integer(values.dtype) else _reals(values, widest)
    with np.errstate(all="ignore"):  # steps can vanish
        for numbers, steps in candidates:
            if not max(numbers.max(), 0) - min(numbers.min(), 0) <= widest:
                continue
            numbers = numbers.astype(np.int64)
            for step in steps:
                if multiples(numbers, step).tobytes() == values.tobytes():
                    return step, numbers
    return None


_Candidates = Iterator[tuple[np.ndarray, Iterable[np.ndarray]]]  # multiples, and steps for them


def _integers(values: np.ndarray) -> _Candidates:
    narrow = values.dtype.kind == "V"  # numpy does not know the type
    exact = values.astype(np.int8) if narrow else values.astype(object)  # integers of any size
    step = int(np.gcd.reduce(exact)) or 1
    stored = np.array(step).astype(values.dtype)
    if int(stored) == step:  # else the type is signed, and cannot hold 2^(bits - 1)
        yield exact // step, (stored,)


def _reals(values: np.ndarray, widest: int) -> _Candidates:
    exact = values.astype(np.float64)
    if np.isfinite(exact).all():
        magnitudes = np.unique(np.concatenate([np.abs(exact), [0.0]]))
        if len(values) < _MANY:
            yield from _of_few(values, magnitudes)
        else:
            yield from _of_many(values, magnitudes, widest)


def _of_few(values: np.ndarray, magnitudes: np.ndarray) -> _Candidates:
    """Yield the smallest distance, and a step that the magnitudes make more precise."""
    gaps = np.diff(magnitudes)
    step = np.array(gaps.min() if gaps.size else 1.0).astype(values.dtype)
    known = float(step)
    for value in magnitudes[1:] if step else ():
        # A larger value determines the step better, once its multiple is clear. With values of few
        # digits, the smallest gap alone does not tell the multiple of the largest value.
        known = value / (np.rint(value / known) or 1)
    numbers = np.rint(values.astype(np.float64) / known) if known else np.array([np.inf])
    yield numbers, chain([step], _near(known, values.dtype))


def _of_many(values: np.ndarray, magnitudes: np.ndarray, widest: int) -> _Candidates:
    """Try the largest value as each multiple, from the number of magnitudes up.

    With few digits, large multiples are known less well than the distance between two of them.
    """
    for number in range(len(magnitudes) - 1, widest + 1):
        for step in _near(magnitudes[-1] / number, values.dtype):
            yield np.rint(values.astype(np.float64) / float(step)), (step,)


def _near(number: float, dtype: np.dtype) -> Iterator[np.ndarray]:
    """Yield a number, rounded to a type, and its neighbors in that type."""
    rounded = np.array(number).astype(dtype)
    yield rounded
    for end in (np.inf, -np.inf):
        yield np.nextafter(rounded, np.array(end).astype(dtype))
