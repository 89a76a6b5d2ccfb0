"""Defines the values that levels stand for, in steps: multiples, or entries of a codebook.

Methods take NumPy arrays and JAX arrays, also in compiled functions.
"""

from typing import NamedTuple, Protocol, Self, TypeVar

import jax
import numpy as np

Array = TypeVar("Array", np.ndarray, jax.Array)


class Reproduction(Protocol):
    """Maps levels to values, and values to the nearest levels."""

    def nearest(self, targets: Array) -> Array:
        """Return the level of the nearest value, as floats."""

    def values(self, levels: Array) -> Array:
        """Return the values of levels, which are whole numbers of any type."""

    def padded(self) -> Self:
        """Return an equal object in one of few sizes, since each size is compiled separately."""


class Multiples(NamedTuple):
    """Lets level `l` stand for `l` steps.

    Example:
      >>> import numpy as np
      >>> Multiples(largest=2).nearest(np.array([0.4, -1.6, 5.0])).tolist()
      [0.0, -2.0, 2.0]
    """

    largest: int

    def nearest(self, targets: Array) -> Array:
        """Return the nearest level, at most the largest one in magnitude."""
        return targets.__array_namespace__().rint(targets).clip(-self.largest, self.largest)

    def values(self, levels: Array) -> Array:
        """Return the levels: they stand for themselves."""
        return levels

    def padded(self) -> Self:
        """Return the object itself."""
        return self


class Codebook(NamedTuple):
    """Lets level `l` stand for an entry of ascending values; level 0 stands for the entry zero.

    Example:
      >>> import numpy as np
      >>> book = Codebook(np.array([-3.0, 0.0, 1.0, 5.0]))
      >>> levels = book.nearest(np.array([-2.0, 0.9, 9.0]))
      >>> levels.tolist(), book.values(levels).tolist()
      ([-1.0, 1.0, 2.0], [-3.0, 1.0, 5.0])
    """

    entries: np.ndarray  # float64 [values]

    @property
    def _below(self) -> float:
        return (self.entries < 0).sum(dtype=float)

    def nearest(self, targets: Array) -> Array:
        """Return the level of the nearest entry."""
        borders = (self.entries[1:] + self.entries[:-1]) / 2
        places = targets.__array_namespace__().searchsorted(borders, targets)
        return places.astype(float) - self._below

    def values(self, levels: Array) -> Array:
        """Return the entries of levels."""
        return self.entries[(levels + self._below).astype(int)]

    def padded(self) -> Self:
        """Return it with infinite entries at its end, which are nearest to no finite target."""
        size = 1 << (len(self.entries) - 1).bit_length()
        beyond = (0, size - len(self.entries))
        return self._replace(entries=np.pad(self.entries, beyond, constant_values=np.inf))
