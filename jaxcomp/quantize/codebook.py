"""Fits codebooks, the few values that are closest to the weights of a tensor."""

from types import ModuleType

import numpy as np

from jaxcomp.arguments import check_number
from jaxcomp.codec.levels import FewValued, negatives
from jaxcomp.quantize import weighted_kmeans

MAX_LEVELS = 256  # a file detects up to so many values by itself
EXACT = 2**17  # up to so many weights the codebook is the best one
_BINS = 2**13  # of equal count, and as many of equal width
_GIANT = 2.0**20


def check_values(name: str, values: int, least: int = 2) -> None:
    """Raise an error that names the argument unless a codebook can have so many values."""
    wanted = f"from {least} to {MAX_LEVELS}"
    check_number(name, values, wanted, lambda k: least <= k <= MAX_LEVELS, integer=True)


def fit_codebook(w: np.ndarray, levels: int) -> np.ndarray:
    """Return the best codebook of at most `levels` values.

    It minimizes the sum of squared errors (k-means in one dimension, by dynamic programming). For
    up to 131,072 weights that are not zero it is the best of all codebooks. More weights are first
    gathered in up to 16,384 bins, and the codebook is the best one of the bins. Half of the bins
    have equal count and half have equal width, so that neither the middle nor the tails are coarse.
    Exact zeros stay zeros: if there are any, zero is one of the values.

    Args:
      w: floating-point NumPy array of any shape.
      levels: from 2 to 256.

    Returns:
      Ascending values in the type of `w`, shape [k], k <= levels.

    Raises:
      ValueError: if `levels` is outside that range.
      ImportError: if kmeans1d is not installed.

    Example:
      >>> import numpy as np
      >>> fit_codebook(np.array([1.5, 2.5, 0.0, 9.0, 11.0]), 3).tolist()
      [0.0, 2.0, 10.0]
    """
    check_values("levels", levels)
    _library()
    values = np.sort(w[w != 0].astype(np.float64))
    zero = np.zeros(int(values.size < w.size))
    centroids = _centroids(values, levels - zero.size)
    return np.unique(np.concatenate([centroids, zero]).astype(w.dtype))


def nearest(w: np.ndarray, codebook: np.ndarray) -> FewValued:
    """Return each weight as the level of the nearest value; exact zeros stay zeros.

    Args:
      w: floating-point NumPy array of any shape.
      codebook: ascending values in the type of `w`, shape [k]; one is zero if `w` has zeros.

    Example:
      >>> import numpy as np
      >>> rounded = nearest(np.array([1.5, 0.0, 9.0]), np.array([0.0, 2.0, 10.0]))
      >>> rounded.levels.tolist(), rounded.values().tolist()
      ([1, 0, 2], [2.0, 0.0, 10.0])
    """
    wide = codebook.astype(np.float64)
    borders = (wide[1:] + wide[:-1]) / 2
    levels = np.searchsorted(borders, w.astype(np.float64)) - negatives(codebook)
    levels[w == 0] = 0  # a value may be so near to zero that the border has become zero
    return FewValued(levels.astype(np.int16), codebook)


def codebook(w: np.ndarray, levels: int) -> np.ndarray:
    """Round weights to the best codebook of at most `levels` values, in the type of `w`.

    The codebook minimizes the sum of squared errors. Exact zeros stay zeros, and zero counts as one
    of the values.

    Args:
      w: floating-point NumPy array of any shape.
      levels: from 2 to 256.

    Raises:
      ValueError: if `levels` is outside that range.
      ImportError: if kmeans1d is not installed.

    Example:
      >>> import numpy as np
      >>> codebook(np.array([1.5, 2.5, 0.0, 9.0, 11.0]), 3).tolist()
      [2.0, 2.0, 0.0, 10.0, 10.0]
    """
    return nearest(w, fit_codebook(w, levels)).values()


def _library() -> ModuleType:
    try:
        import kmeans1d
    except ImportError as error:
        raise ImportError('codebooks need kmeans1d: pip install "jaxcomp[compress]"') from error
    return kmeans1d


def _centroids(values: np.ndarray, free: int) -> np.ndarray:
    """Return the best `free` values, or fewer, for ascending values that are not zero."""
    if np.unique(values[: 2 * free]).size <= free and np.unique(values).size <= free:
        return np.unique(values)
    giants = _giants(values, free)
    if giants.any():
        own = np.unique(values[giants])
        return np.concatenate([own, _centroids(values[~giants], free - own.size)])
    # Squares of large values overflow; a power of two changes no digit.
    scale = np.exp2(np.frexp(np.abs(values).max())[1] - 1.0)
    if values.size <= EXACT:
        return scale * np.array(_library().cluster(values / scale, free)[1])
    return scale * weighted_kmeans.cluster(*_binned(values / scale), free)


def _giants(values: np.ndarray, free: int) -> np.ndarray:
    """Mark the fewer than `free` values that are `_GIANT` times as large as all others.

    Next to their squares the squares of the others vanish in float64, so each giant becomes a value
    of its own.
    """
    magnitudes = np.abs(values)
    count = min(free, values.size)
    falling = -np.sort(-np.partition(magnitudes, values.size - count)[values.size - count :])
    gaps = np.flatnonzero(falling[:-1] / _GIANT >= falling[1:])
    return magnitudes >= (falling[gaps[-1]] if gaps.size else np.inf)


def _binned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many of the ascending values are in each bin, and their sums, shape [bins]."""
    equal_count = np.linspace(0, values.size, _BINS, endpoint=False).astype(np.int64)
    equal_width = np.searchsorted(values, np.linspace(values[0], values[-1], _BINS))
    starts = np.union1d(equal_count, equal_width)
    return np.diff(starts, append=values.size), np.add.reduceat(values, starts)
