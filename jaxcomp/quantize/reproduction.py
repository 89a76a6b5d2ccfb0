"""What levels stand for, in steps: their multiples, or the values of a codebook.

Methods take arrays of NumPy, and those of JAX, also in compiled functions.
"""

from typing import NamedTuple, Protocol, Self, TypeVar

import jax
import numpy as np

Array = TypeVar("Array", np.ndarray, jax.Array)


class Reproduction(Protocol):
    """The values of levels."""

    def nearest(self, targets: Array) -> Array:
        """Return the level of the nearest value, as floats."""

    def values(self, levels: Array) -> Array:
        """Return what levels stand for; they are whole numbers of any type."""

    def padded(self) -> Self:
        """Return the same in one of few sizes, for each of which a function is compiled."""


class Multiples(NamedTuple):
    """Level `l` stands for `l` steps."""

    largest: int

    def nearest(self, targets: Array) -> Array:
        """Return the nearest level up to the largest."""
        return targets.__array_namespace__().rint(targets).clip(-self.largest, self.largest)

    def values(self, levels: Array) -> Array:
        """Return the levels: they stand for themselves."""
        return levels

    def padded(self) -> Self:
        """Return it as it is."""
        return self


class Codebook(NamedTuple):
    """Level `l` stands for an entry of ascending values, level 0 for zero, which is one of them."""

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
        """Return it with infinite entries behind its own, which are the nearest to nothing."""
        size = 1 << (len(self.entries) - 1).bit_length()
        beyond = (0, size - len(self.entries))
        return self._replace(entries=np.pad(self.entries, beyond, constant_values=np.inf))
