"""Searches for the largest price of a bit at which a goal is still reached."""

import math
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

_FIRST_FACTOR, _LAST_FACTOR = 4.0, 1.05  # factors between prices, at first and in the end
_MOST_TRIES = 24


def last_that_is_good(
    attempt: Callable[[float], Found],
    is_good: Callable[[Found], bool],
    first: float,
) -> tuple[float, Found] | None:
    """Return the largest number that is good, within 5 %, and its result.

    The search assumes that all numbers up to one threshold are good. It returns None if 24 numbers
    are not good, each a quarter of the one before.

    Args:
      attempt: function of a positive number that returns a result.
      is_good: tells whether a result is good.
      first: the number to begin with.
    """
    best: tuple[float, Found] | None = None
    bad = math.inf
    number = first
    for _ in range(_MOST_TRIES):
        found = attempt(number)
        if is_good(found):
            best = number, found
        else:
            bad = number
        if best is None:
            number = bad / _FIRST_FACTOR
        elif math.isinf(bad):
            number = best[0] * _FIRST_FACTOR
        elif bad / best[0] <= _LAST_FACTOR:
            break
        else:
            number = math.sqrt(bad * best[0])
    return best
