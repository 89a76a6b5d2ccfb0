"""Values that are multiples of one step."""

import numpy as np

MAX_LEVEL = 2**15 - 1  # magnitude
_WIDEST = 4  # levels between the smallest and the largest, for each value


def multiples(levels: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """`levels * steps`, rounded once, in the type of `steps`."""
    # A product of a level and a step of any other floating-point type is exact in float64.
    wide = steps.dtype if steps.dtype.kind in "iu" else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        return (levels.astype(wide) * steps.astype(wide)).astype(steps.dtype)


def fit_grid(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """A step, shape [], and the multiples of it, shape [k], that are exactly these values.

    Args:
      values: different and ascending, shape [k].

    Returns:
      None if there is no such step, or the multiples would be spread too thin.
    """
    if values.dtype.kind == "b":
        return None
    numbers, steps = (_integers if values.dtype.kind in "iu" else _reals)(values)
    if numbers is None or max(numbers.max(), 0) - min(numbers.min(), 0) > min(
        MAX_LEVEL, _WIDEST * len(values)
    ):
        return None
    numbers = numbers.astype(np.int64)
    for step in steps:
        if multiples(numbers, step).tobytes() == values.tobytes():
            return step, numbers
    return None


def _integers(values: np.ndarray) -> tuple[np.ndarray | None, list[np.ndarray]]:
    exact = values.astype(object)  # of any size
    step = int(np.gcd.reduce(exact)) or 1
    if step > np.iinfo(values.dtype).max:  # of the smallest number of a signed type
        return None, []
    return exact // step, [np.array(step, values.dtype)]


def _reals(values: np.ndarray) -> tuple[np.ndarray | None, list[np.ndarray]]:
    exact = values.astype(np.float64)
    if not np.isfinite(exact).all():
        return None, []
    magnitudes = np.unique(np.append(np.abs(exact), 0))
    gaps = np.diff(magnitudes)
    with np.errstate(all="ignore"):
        step = np.array(gaps.min() if gaps.size else 1.0).astype(values.dtype)
        known = float(step)
        for value in magnitudes[1:] if step else ():
            # The larger a value, the better it knows the step, once it is clear which multiple it
            # is; of values of few digits, the smallest gap would not say it for the largest.
            known = value / (np.rint(value / known) or 1)
        numbers = np.rint(exact / known) if known else np.array([np.inf])
        fitted = np.array(known).astype(values.dtype)
        up, down = (np.array(end).astype(values.dtype) for end in (np.inf, -np.inf))
        return numbers, [step, fitted, np.nextafter(fitted, up), np.nextafter(fitted, down)]
