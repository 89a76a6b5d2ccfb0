"""Labeled examples in memory, and their batches."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from jaxcomp.arguments import check_number


class Examples(NamedTuple):
    """Inputs with their labels; also the type of a batch.

    A data set in memory and a `Stream` have the same methods, so that training and evaluation do
    not ask which of the two they are given.
    """

    # float32 [n, height, width, channels], images in [0, 1]; or int32 [n, length], text
    inputs: np.ndarray
    # int32 [n], of images; or [n, length], what comes next at each place. A training may put other
    # trees of arrays there, with the examples on the first axis.
    labels: Any

    @property
    def in_memory(self) -> bool:
        """Tell that it is no `Stream`."""
        return True

    @property
    def number(self) -> int:
        """Return how many examples there are."""
        return len(self.inputs)

    def one_input(self) -> np.ndarray:
        """Return zeros of the shape and type of one input, [1, ...]."""
        return np.zeros_like(self.inputs[:1])

    def joined(self, other: "Examples") -> "Examples":
        """Return the examples of both."""
        return jax.tree.map(lambda *parts: np.concatenate(parts), self, other)

    def batches(self, batch_size: int) -> Iterator["Examples"]:
        """Yield all examples once, in order; the last batch is as short as it has to be."""
        return batches(self, batch_size)

    def shuffled_batches(
        self,
        batch_size: int,
        seed: int | Sequence[int],
        *,
        start: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> Iterator["Examples"]:
        """Yield full batches without end, in a new order in each pass.

        Args:
          batch_size: examples of a batch, all parts together.
          seed: of the order.
          start: how many batches are passed over.
          part: which of how many equal parts of each batch, such as those of processes.

        Raises:
          ValueError: if there are fewer examples than a batch takes.
        """
        number, parts = part
        own = slice(number * batch_size // parts, (number + 1) * batch_size // parts)
        order = shuffled_indices(self.number, batch_size, seed)
        for indices in itertools.islice(order, start, None):
            yield take(self, indices[own])


# `Examples`, or another named tuple of arrays of as many examples.
Batch = TypeVar("Batch", bound=tuple[Any, ...])


def take(examples: Batch, indices: np.ndarray) -> Batch:
    """Return the examples at `indices`, integers of shape [m]."""
    return jax.tree.map(lambda part: part[indices], examples)


def batches(examples: Batch, batch_size: int) -> Iterator[Batch]:
    """Yield all examples once, in order; the last batch is as short as it has to be."""
    check_batch_size(batch_size)
    for start in range(0, len(examples[0]), batch_size):
        part = slice(start, start + batch_size)
        yield jax.tree.map(lambda array, part=part: array[part], examples)


def check_batch_size(batch_size: int) -> None:
    """Raise an error unless it is a whole number, at least 1."""
    wanted = "a number of examples, at least 1"
    check_number("batch_size", batch_size, wanted, lambda n: n >= 1, integer=True)


def shuffled_indices(size: int, batch_size: int, seed: int | Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the indices of full batches without end, in a new order in each pass.

    A pass leaves its remainder out.

    Raises:
      ValueError: if there are fewer examples than a batch takes.
    """
    check_batch_size(batch_size)
    if batch_size > size:
        raise ValueError(f"batch size {batch_size} does not fit a training set of {size} examples")
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(size)
        for start in range(0, size - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def shuffled_batches(
    examples: Batch, batch_size: int, seed: int | Sequence[int]
) -> Iterator[Batch]:
    """Yield the batches of `shuffled_indices`."""
    for indices in shuffled_indices(len(examples[0]), batch_size, seed):
        yield take(examples, indices)
