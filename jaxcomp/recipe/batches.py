"""Batches of a training, from a function of the step or from something to iterate over."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Batch = Any
Batches = Callable[[int], Batch] | Iterable[Batch]


def from_step(batches: Batches, step: int) -> Iterator[Batch]:
    """Yield batches without end, from the one of a step on.

    Args:
      batches: function of the step, counted through all phases. Or batches to iterate over, as
        often as needed; those of earlier steps are passed over one by one.
      step: how many steps were made before.

    Raises:
      TypeError: if `batches` is neither.
      ValueError: if it can be iterated over once only, and ends.
    """
    if callable(batches):
        yield from map(batches, itertools.count(step))
    elif isinstance(batches, Iterable):
        yield from itertools.islice(_repeated(batches), step, None)
    else:
        raise TypeError(
            f"batches must be a function of the step or an iterable, got {type(batches).__name__}"
        )


def _repeated(batches: Iterable[Batch]) -> Iterator[Batch]:
    given = 0
    while True:
        before = given
        for batch in batches:
            given += 1
            yield batch
        if given == before:
            raise ValueError(
                f"the batches ended after {given}: give a list, a function of the step, or an "
                "iterator that does not end"
            )
