"""Codebook quantisation: the few values that are closest to the weights of a tensor."""

import numpy as np

MAX_LEVELS = 256  # what a file stores as levels


def codebook(w: np.ndarray, levels: int) -> np.ndarray:
    """Weights rounded to the best codebook of at most `levels` values.

    The codebook minimises the sum of squared errors exactly (k-means in one dimension, by dynamic
    programming). Exact zeros stay zeros: if there are any, zero is one of the values.

    Args:
      w: floating-point array of any shape.
      levels: from 2 to 256.

    Returns:
      The rounded array, in the type of `w`.

    Raises:
      ValueError: if `levels` is outside that range.
      ImportError: if kmeans1d is not installed.
    """
    if not 2 <= levels <= MAX_LEVELS:
        raise ValueError(f"levels must be from 2 to {MAX_LEVELS}, got {levels}")
    try:
        import kmeans1d
    except ImportError as error:
        raise ImportError('codebooks need kmeans1d: pip install "jaxcomp[compress]"') from error
    w = np.asarray(w)
    on = w != 0
    free = levels - int(not on.all())
    values = w[on].astype(np.float64)
    if np.unique(values).size <= free:
        return w.copy()
    clusters, centroids = kmeans1d.cluster(values, free)
    out = np.zeros_like(w)
    out[on] = np.asarray(centroids)[np.asarray(clusters)].astype(w.dtype)
    return out
