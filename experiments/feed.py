"""Examples that are in memory and those that are streamed, asked for in one way."""

from collections.abc import Iterator

import numpy as np

from experiments.objective import Taught
from jaxcomp.data import Examples, Split, Stream, batches, joined

Data = Split | Taught


def count(data: Data) -> int:
    """How many examples there are."""
    return len(data) if isinstance(data, Stream) else len(data.labels)


def one_input(data: Data) -> np.ndarray:
    """Zeros of the shape and type of one input, [1, ...]."""
    if isinstance(data, Stream):
        return np.zeros((1, data.size, data.size, 3), np.float32)
    return np.zeros_like(data.inputs[:1])


def in_order(data: Split, batch_size: int) -> Iterator[Examples]:
    """Batches of all examples, once; the last one may be short."""
    return data.batches(batch_size) if isinstance(data, Stream) else batches(data, batch_size)


def both(one: Split, other: Split) -> Split:
    """The examples of two splits of one data set."""
    return one.joined(other) if isinstance(one, Stream) else joined(one, other)
