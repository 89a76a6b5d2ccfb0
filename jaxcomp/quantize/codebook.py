"""Codebook quantisation: the few values that are closest to the weights of a tensor."""

import numpy as np

from jaxcomp.arguments import check_number
from jaxcomp.codec.levels import Quantised, negatives
from jaxcomp.quantize import weighted_kmeans

MAX_LEVELS = 256  # what a file finds in an array by itself
EXACT = 2**17  # weights up to which the codebook is the best one
_BINS = 2**13  # of equal count, and as many of equal width


def fit_codebook(w: np.ndarray, levels: int) -> np.ndarray:
    """The best codebook of at most `levels` values.

    It minimises the sum of squared errors (k-means in one dimension, by dynamic programming): among
    all codebooks for up to 131,072 weights that are not zero. More are first put together in up to
    16,384 bins, half of equal count and half of equal width, so that neither the middle nor the
    tails are coarse, and the codebook is the best one of the bins. Exact zeros stay zeros: if there
    are any, zero is one of the values.

    Args:
      w: floating-point array of any shape.
      levels: from 2 to 256.

    Returns:
      Ascending values in the type of `w`, shape [k], k <= levels.

    Raises:
      ValueError: if `levels` is outside that range.
      ImportError: if kmeans1d is not installed.
    """
    wanted = f"from 2 to {MAX_LEVELS}"
    check_number("levels", levels, wanted, lambda k: 2 <= k <= MAX_LEVELS, whole=True)
    try:
        import kmeans1d
    except ImportError as error:
        raise ImportError('codebooks need kmeans1d: pip install "jaxcomp[compress]"') from error
    values = np.sort(w[w != 0].astype(np.float64))
    zero = np.zeros(int(values.size < w.size))
    free = levels - zero.size
    if np.unique(values[: 2 * free]).size <= free and np.unique(values).size <= free:
        centroids = np.unique(values)
    elif values.size <= EXACT:
        centroids = np.array(kmeans1d.cluster(values, free)[1])
    else:
        centroids = weighted_kmeans.cluster(*_binned(values), free)
    return np.unique(np.concatenate([centroids, zero]).astype(w.dtype))


def nearest(w: np.ndarray, codebook: np.ndarray) -> Quantised:
    """The level of the nearest value for each weight; exact zeros stay zeros.

    Args:
      w: floating-point array of any shape.
      codebook: ascending values in the type of `w`, shape [k]; one is zero if `w` has zeros.
    """
    wide = codebook.astype(np.float64)
    borders = (wide[1:] + wide[:-1]) / 2
    levels = np.searchsorted(borders, w.astype(np.float64)) - negatives(codebook)
    levels[w == 0] = 0  # not a value so near that the border has become zero
    return Quantised(levels.astype(np.int16), codebook)


def codebook(w: np.ndarray, levels: int) -> np.ndarray:
    """Weights rounded to the best codebook of at most `levels` values, in the type of `w`.

    Arguments and errors as `fit_codebook`.
    """
    return nearest(w, fit_codebook(w, levels)).values()


def _binned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many of the ascending values are in each bin, and their sums, shape [bins]."""
    equal_count = np.linspace(0, values.size, _BINS, endpoint=False).astype(np.int64)
    equal_width = np.searchsorted(values, np.linspace(values[0], values[-1], _BINS))
    starts = np.union1d(equal_count, equal_width)
    return np.diff(starts, append=values.size), np.add.reduceat(values, starts)
