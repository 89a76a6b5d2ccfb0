"""Which of many results no other one beats in everything."""

from collections.abc import Sequence

import numpy as np


def pareto_front(costs: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the results that are not dominated, by rising first cost.

    A result is dominated if another one is at most as large in each cost and smaller in one. Of
    equal results all stay.

    Args:
      costs: shape [results, costs], such as bytes and error; smaller is better.
    """
    table = np.array([tuple(one) for one in costs], float)
    front = [
        i
        for i, one in enumerate(table)
        if not ((table <= one).all(axis=1) & (table < one).any(axis=1)).any()
    ]
    return sorted(front, key=lambda i: tuple(table[i]))
