"""Holds labeled examples in memory, and makes batches of them."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from jaxcomp.arguments import check_number


class Examples(NamedTuple):
    """Holds inputs with their labels; a batch has this type too.

    `Stream` has the same methods, so that training and evaluation need not know whether a data set
    is in memory.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.data import Examples
      >>> examples = Examples(np.zeros((5, 8, 8, 1), np.float32), np.arange(5))
      >>> [batch.inputs.shape for batch in examples.batches(2)]
      [(2, 8, 8, 1), (2, 8, 8, 1), (1, 8, 8, 1)]
    """

    # Images are float32 [n, height, width, channels] in [0, 1]; text is int32 [n, length].
    inputs: np.ndarray
    # Labels of images are int32 [n]; those of text are int32 [n, length], the next token at each
    # place. A training may use other trees of arrays, with the examples on the first axis.
    labels: Any

    @property
    def in_memory(self) -> bool:
        """Tell that it is no `Stream`."""
        return True

    @property
    def number(self) -> int:
        """Return the number of examples."""
        return len(self.inputs)

    def one_input(self) -> np.ndarray:
        """Return zeros of the shape and type of one input, [1, ...]."""
        return np.zeros_like(self.inputs[:1])

    def joined(self, other: "Examples") -> "Examples":
        """Return the examples of both."""
        return jax.tree.map(lambda *parts: np.concatenate(parts), self, other)

    def batches(self, batch_size: int) -> Iterator["Examples"]:
        """Yield all examples once, in order; the last batch may be shorter."""
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
          seed: seed of the order.
          start: number of batches to skip.
          part: number and count of equal parts of each batch, such as those of processes; only the
            part with this number is returned.

        Raises:
          ValueError: if there are fewer examples than a batch needs.
        """
        number, parts = part
        own = slice(number * batch_size // parts, (number + 1) * batch_size // parts)
        order = shuffled_indices(self.number, batch_size, seed)
        for indices in itertools.islice(order, start, None):
            yield take(self, indices[own])


# This is `Examples`, or another named tuple of arrays of equally many examples.
Batch = TypeVar("Batch", bound=tuple[Any, ...])


def take(examples: Batch, indices: np.ndarray) -> Batch:
    """Return the examples at `indices`, integers of shape [m].

    Example:
      >>> import numpy as np
      >>> from jaxcomp.data import Examples, take
      >>> examples = Examples(np.arange(10.0), np.arange(10))
      >>> take(examples, np.array([7, 2])).labels
      array([7, 2])
    """
    return jax.tree.map(lambda part: part[indices], examples)


def batches(examples: Batch, batch_size: int) -> Iterator[Batch]:
    """Yield all examples once, in order; the last batch may be shorter.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.data import Examples, batches
      >>> [batch.labels for batch in batches(Examples(np.zeros(5), np.arange(5)), 2)]
      [array([0, 1]), array([2, 3]), array([4])]
    """
    check_batch_size(batch_size)
    for start in range(0, len(examples[0]), batch_size):
        part = slice(start, start + batch_size)
        yield jax.tree.map(lambda array, part=part: array[part], examples)


def check_batch_size(batch_size: int) -> None:
    """Raise an error unless the size is a whole number, at least 1."""
    wanted = "a number of examples, at least 1"
    check_number("batch_size", batch_size, wanted, lambda n: n >= 1, integer=True)


def shuffled_indices(size: int, batch_size: int, seed: int | Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the indices of full batches without end, in a new order in each pass.

    A pass drops its remainder.

    Raises:
      ValueError: if there are fewer examples than a batch needs.

    Example:
      >>> import itertools
      >>> from jaxcomp.data import shuffled_indices
      >>> first_pass = list(itertools.islice(shuffled_indices(6, 2, seed=0), 3))
      >>> sorted(int(index) for batch in first_pass for index in batch)
      [0, 1, 2, 3, 4, 5]
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
    """Yield the batches of `shuffled_indices`.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.data import Examples, shuffled_batches
      >>> examples = Examples(np.arange(6.0), np.arange(6))
      >>> batch = next(shuffled_batches(examples, 3, seed=0))
      >>> batch.inputs.shape, bool((batch.inputs == batch.labels).all())
      ((3,), True)
    """
    for indices in shuffled_indices(len(examples[0]), batch_size, seed):
        yield take(examples, indices)
