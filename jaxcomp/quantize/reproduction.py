"""What levels stand for, in steps: their multiples, or the values of a codebook."""

from typing import NamedTuple, Protocol

import numpy as np

from jaxcomp.codec.levels import negatives


class Reproduction(Protocol):
    """The values of levels."""

    def nearest(self, targets: np.ndarray) -> np.ndarray:
        """Return the level of the nearest value, as float64."""

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Return what levels stand for; they are whole numbers of any type."""


class Multiples(NamedTuple):
    """Level `l` stands for `l` steps."""

    largest: int

    def nearest(self, targets: np.ndarray) -> np.ndarray:
        """Return the nearest level up to the largest."""
        return np.clip(np.rint(targets), -self.largest, self.largest)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Return the levels: they stand for themselves."""
        return levels


class Codebook(NamedTuple):
    """Level `l` stands for an entry of ascending values, level 0 for zero, which is one of them."""

    entries: np.ndarray  # float64 [values]

    @property
    def below(self) -> int:
        """Return how many of the values are negative."""
        return negatives(self.entries)

    def nearest(self, targets: np.ndarray) -> np.ndarray:
        """Return the level of the nearest entry."""
        borders = (self.entries[1:] + self.entries[:-1]) / 2
        return np.searchsorted(borders, targets) - float(self.below)

    def values(self, levels: np.ndarray) -> np.ndarray:
        """Return the entries of levels."""
        return self.entries[levels.astype(np.intp) + self.below]
