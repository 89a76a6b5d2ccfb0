"""Intervals of means, as error bars."""

from collections.abc import Mapping, Sequence


def whiskers(numbers: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """Lengths of the bars below and above each mean, as `Axes.errorbar` takes them.

    Args:
      numbers: each with `mean`, `low` and `high`. Rounded for the record, a mean may be the last
        digit outside its interval; such a bar has no length.
    """
    return [
        [max(0, one["mean"] - one["low"]) for one in numbers],
        [max(0, one["high"] - one["mean"]) for one in numbers],
    ]
