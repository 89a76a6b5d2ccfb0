"""Values that are multiples of one step."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from jaxcomp.codec.dtypes import is_integer

MAX_LEVEL = 2**15 - 1  # magnitude
_WIDEST = 4  # levels between the smallest and the largest, for each value
_MANY = 16  # values: a table of fewer costs next to nothing, and is on a wrong grid by chance


def multiples(levels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """`levels * steps`, rounded once, in the type of `steps`."""
    # A product of a level and a step of any other floating-point type is exact in float64, which
    # numpy takes a few at a time.
    wide = np.float64
    out = np.empty(np.broadcast_shapes(levels.shape, steps.shape), steps.dtype)
    if is_integer(steps.dtype):
        # Those that numpy does not know have a few bits.
        wide = np.int32 if steps.dtype.kind == "V" else steps.dtype
        steps = steps.astype(wide)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.multiply(levels, steps, out=out, dtype=wide, casting="unsafe")


def fit_grid(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """A step, shape [], and the multiples of it, shape [k], that are exactly these values.

    Args:
      values: different and ascending, shape [k].

    Returns:
      None if there is no such step, or the multiples would be spread too thin.
    """
    if values.dtype.kind == "b":
        return None
    widest = min(MAX_LEVEL, _WIDEST * len(values))
    candidates = _integers(values) if is_integer(values.dtype) else _reals(values, widest)
    with np.errstate(all="ignore"):  # of steps that vanish
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
    narrow = values.dtype.kind == "V"  # of types that numpy does not know
    exact = values.astype(np.int8) if narrow else values.astype(object)  # of any size
    step = int(np.gcd.reduce(exact)) or 1
    stored = np.array(step).astype(values.dtype)
    if int(stored) == step:  # else it is of the smallest number of a signed type
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
    """The smallest distance, and what the magnitudes make of it."""
    gaps = np.diff(magnitudes)
    step = np.array(gaps.min() if gaps.size else 1.0).astype(values.dtype)
    known = float(step)
    for value in magnitudes[1:] if step else ():
        # The larger a value, the better it knows the step, once it is clear which multiple it
        # is; of values of few digits, the smallest gap would not say it for the largest.
        known = value / (np.rint(value / known) or 1)
    numbers = np.rint(values.astype(np.float64) / known) if known else np.array([np.inf])
    yield numbers, chain([step], _near(known, values.dtype))


def _of_many(values: np.ndarray, magnitudes: np.ndarray, widest: int) -> _Candidates:
    """Try what makes the largest some multiple, as small a one as there are magnitudes, or larger.

    In few digits large multiples are known less well than the distance between two of them.
    """
    for number in range(len(magnitudes) - 1, widest + 1):
        for step in _near(magnitudes[-1] / number, values.dtype):
            yield np.rint(values.astype(np.float64) / float(step)), (step,)


def _near(number: float, dtype: np.dtype) -> Iterator[np.ndarray]:
    """A number, rounded, and the next ones of its type."""
    rounded = np.array(number).astype(dtype)
    yield rounded
    for end in (np.inf, -np.inf):
        yield np.nextafter(rounded, np.array(end).astype(dtype))
