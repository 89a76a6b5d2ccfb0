"""Labelled examples in memory, and their batches."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from jaxcomp.arguments import check_number


class Examples(NamedTuple):
    """Inputs with their labels; also the type of a batch."""

    # float32 [n, height, width, channels], images in [0, 1]; or int32 [n, length], text
    inputs: np.ndarray
    labels: np.ndarray  # int32 [n], of images; or [n, length], what comes next at each place


# `Examples`, or another named tuple of arrays of as many examples.
Batch = TypeVar("Batch", bound=tuple[np.ndarray, ...])


def take(examples: Batch, indices: np.ndarray) -> Batch:
    """The examples at `indices`, integers of shape [m]."""
    return type(examples)(*(part[indices] for part in examples))


def joined(one: Batch, other: Batch) -> Batch:
    """The examples of both."""
    return type(one)(*(np.concatenate(parts) for parts in zip(one, other, strict=True)))


def batches(examples: Batch, batch_size: int) -> Iterator[Batch]:
    """All examples once, in order; the last batch is as short as it has to be."""
    check_batch_size(batch_size)
    for start in range(0, len(examples[0]), batch_size):
        yield type(examples)(*(part[start : start + batch_size] for part in examples))


def check_batch_size(batch_size: int) -> None:
    """Raise an error unless it is a whole number, at least 1."""
    wanted = "a number of examples, at least 1"
    check_number("batch_size", batch_size, wanted, lambda n: n >= 1, whole=True)


def shuffled_indices(size: int, batch_size: int, seed: int | Sequence[int]) -> Iterator[np.ndarray]:
    """The examples of full batches without end, in a new order in each pass.

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
    """The batches of `shuffled_indices`."""
    for indices in shuffled_indices(len(examples[0]), batch_size, seed):
        yield take(examples, indices)
