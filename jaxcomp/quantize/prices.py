r"""Estimates the bits that a coder charges for each level of a matrix.

The expected magnitude of an entry is that of its row times that of its column, over the mean. It
puts the entry into a class, a quarter of an octave wide. The price of an entry is :math:`-\log_2`
of the share that its level has in its class. The codec codes large arrays this way
(`jaxcomp.codec.scaled`), and sparse ones similarly.
"""

from typing import NamedTuple

import numpy as np

_CLASSES = 64
_MIDDLE = 40  # the class of a mean magnitude of 1
_SHRUNK = 1.0  # entries of mean magnitude that are added to each row and column
_PRIOR = 8.0  # entries of the expected distribution that are added to each class
_NEIGHBOR = 0.25  # the share with which an entry counts in the classes beside its own
_LEAST = 1e-9  # the least share of a level


class Prices(NamedTuple):
    """Holds the bits of levels from `-largest` to `largest`, for each class of entries."""

    bits: np.ndarray  # float64 [classes, 2 largest + 1]
    classes: np.ndarray  # uint8, of the shape of the matrix
    largest: int

    def of(self, levels: np.ndarray) -> np.ndarray:
        """Return the bits of each entry of a matrix of levels."""
        return self.bits[self.classes, np.clip(levels, -self.largest, self.largest) + self.largest]


def fit_prices(levels: np.ndarray, largest: int) -> Prices:
    """Return the prices at which levels like these are coded.

    Args:
      levels: int [rows, columns].
      largest: the largest magnitude to price.

    Example:
      >>> import numpy as np
      >>> levels = np.array([[0, 0, 0, 0], [0, 1, 0, 0]])
      >>> bits = fit_prices(levels, 2).of(levels)
      >>> bool(bits[1, 1] > bits[0, 0])  # the one costs more than a zero
      True
    """
    sizes = np.abs(levels).astype(np.float64)
    mean = max(sizes.mean(), 1e-9)
    rows, columns = (
        (sizes.sum(axis=axis) + _SHRUNK * mean) / (sizes.shape[axis] + _SHRUNK) for axis in (1, 0)
    )
    expected = np.log2(rows)[:, None] + (np.log2(columns) - np.log2(mean))[None, :]
    classes = np.clip(np.rint(4 * expected) + _MIDDLE, 0, _CLASSES - 1).astype(np.uint8)
    width = 2 * largest + 1
    joint = classes.astype(np.int64) * width + np.clip(levels, -largest, largest) + largest
    counts = np.bincount(joint.ravel(), minlength=_CLASSES * width).reshape(_CLASSES, width)
    counts = counts.astype(np.float64)
    counts[1:] += _NEIGHBOR * counts[:-1].copy()
    counts[:-1] += _NEIGHBOR * counts[1:].copy()
    counts += _PRIOR * _geometric(2.0 ** ((np.arange(_CLASSES) - _MIDDLE) / 4), largest)
    return Prices(-np.log2(counts / counts.sum(axis=1, keepdims=True)), classes, largest)


def _geometric(means: np.ndarray, largest: int) -> np.ndarray:
    """Return symmetric distributions of levels with these mean magnitudes, [means, levels]."""
    # Of shares `(1 - q) / (1 + q) q^|l|` the mean magnitude is `2 q / (1 - q^2)`.
    ratio = (np.sqrt(1 + means**2) - 1) / means
    shares = ratio[:, None] ** np.abs(np.arange(-largest, largest + 1)) + _LEAST
    return shares / shares.sum(axis=1, keepdims=True)
