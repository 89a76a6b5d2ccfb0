"""Yields batches of a training, from a function of the step or from an iterable."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Batch = Any
Batches = Callable[[int], Batch] | Iterable[Batch]


class Source:
    """Yields the batches of a training that has several phases and may be resumed."""

    def __init__(self, batches: Batches) -> None:
        """Take a source of batches.

        Args:
          batches: function of the step, counted through all phases, or batches to iterate over, as
            often as needed. A training that resumes skips the batches of earlier steps one by one.

        Raises:
          TypeError: if `batches` is neither.
        """
        if not (callable(batches) or isinstance(batches, Iterable)):
            kind = type(batches).__name__
            raise TypeError(f"batches must be a function of the step or an iterable, got {kind}")
        self._of_step = batches if callable(batches) else None
        self._repeated = iter(()) if callable(batches) else _repeated(batches)
        self._given = 0  # batches that were yielded

    def from_step(self, step: int) -> Iterator[Batch]:
        """Yield batches without end, starting at a step; never of an earlier step again.

        Raises:
          ValueError: if the batches can be iterated over only once, and end.
        """
        if self._of_step is not None:
            yield from map(self._of_step, itertools.count(step))
        for batch in self._repeated:
            self._given += 1
            if self._given > step:
                yield batch


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
