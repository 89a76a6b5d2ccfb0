"""Finds the threshold of global magnitude pruning from tensors that are seen one at a time."""

from collections.abc import Callable, Iterable

import numpy as np

_HALF = 16  # bits of one histogram


def kth_largest(tensors: Callable[[], Iterable[np.ndarray]], k: int) -> tuple[np.float32, int]:
    """Return the k-th largest magnitude, and how many of the k largest have exactly that magnitude.

    The bits of positive floats are in the order of the floats. So two passes find it exactly and in
    little memory, with a histogram of the upper and then of the lower 16 bits.

    Args:
      tensors: function that returns the arrays anew at each call. Magnitudes are compared in
        float32.
      k: from 1 to the number of all entries.

    Raises:
      ValueError: if an entry is not a number, or k is outside that range.

    Example:
      >>> import numpy as np
      >>> threshold, ties = kth_largest(lambda: [np.array([3.0, -1.0]), np.array([2.0, 2.0])], 2)
      >>> float(threshold), ties
      (2.0, 1)
    """
    upper = np.zeros(1 << _HALF, np.int64)
    for tensor in tensors():
        if np.isnan(tensor).any():
            raise ValueError("a weight is not a number (NaN), and has no rank among the others")
        upper += np.bincount(_bits(tensor) >> _HALF, minlength=1 << _HALF)
    if not 1 <= k <= upper.sum():
        raise ValueError(f"k must be from 1 to {upper.sum()}, got {k}")
    high, k = _bin_of(upper, k)
    lower = np.zeros(1 << _HALF, np.int64)
    for tensor in tensors():
        bits = _bits(tensor)
        lower += np.bincount(bits[bits >> _HALF == high] & ((1 << _HALF) - 1), minlength=1 << _HALF)
    low, ties = _bin_of(lower, k)
    return np.uint32(high << _HALF | low).view(np.float32), ties


def keep_above(tensor: np.ndarray, threshold: np.float32, ties: int) -> tuple[np.ndarray, int]:
    """Zero the entries below a threshold, and all but the first `ties` that are equal to it.

    Args:
      tensor: floating-point array of any shape.
      threshold: magnitude, from `kth_largest`.
      ties: how many entries of exactly that magnitude to keep.

    Returns:
      The tensor, and how many ties are left for later tensors.

    Example:
      >>> import numpy as np
      >>> kept, left = keep_above(np.array([3.0, -1.0, 2.0, 2.0]), np.float32(2.0), 1)
      >>> kept.tolist(), int(left)
      ([3.0, 0.0, 2.0, 0.0], 0)
    """
    magnitudes = np.abs(tensor).astype(np.float32)
    keep = magnitudes > threshold
    equal = np.flatnonzero(magnitudes.reshape(-1) == threshold)[:ties]
    keep.reshape(-1)[equal] = True
    return np.where(keep, tensor, np.zeros_like(tensor)), ties - equal.size


def with_floor(tensor: np.ndarray, count: int) -> np.ndarray:
    """Return magnitudes in float32, with the `count` largest set to infinity to rank first.

    Zeros are never set to infinity, so a tensor with fewer non-zeros than `count` has fewer
    infinities.

    Args:
      tensor: floating-point array of any shape.
      count: from 0 to the number of entries.

    Example:
      >>> import numpy as np
      >>> with_floor(np.array([3.0, -1.0, 2.0]), 1).tolist()
      [inf, 1.0, 2.0]
    """
    magnitudes = np.minimum(np.abs(tensor).astype(np.float32), np.finfo(np.float32).max)
    if not count:
        return magnitudes
    place = magnitudes.size - count
    threshold = np.partition(magnitudes.reshape(-1), place)[place]
    ties = count - int(np.count_nonzero(magnitudes > threshold))
    first, _ = keep_above(magnitudes, threshold, ties)
    return np.where(first > 0, np.float32(np.inf), magnitudes)


def _bits(tensor: np.ndarray) -> np.ndarray:
    return np.abs(tensor).astype(np.float32).reshape(-1).view(np.uint32)


def _bin_of(histogram: np.ndarray, k: int) -> tuple[int, int]:
    """Return the bin of the k-th largest, and its rank in that bin."""
    above = np.cumsum(histogram[::-1])
    place = int(np.searchsorted(above, k))
    before = int(above[place - 1]) if place else 0
    return histogram.size - 1 - place, k - before
