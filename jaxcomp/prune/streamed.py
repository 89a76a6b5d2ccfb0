"""The threshold of global magnitude pruning, from tensors that are seen one at a time."""

from collections.abc import Callable, Iterable

import numpy as np

_HALF = 16  # bits


def kth_largest(tensors: Callable[[], Iterable[np.ndarray]], k: int) -> tuple[np.float32, int]:
    """The k-th largest magnitude, and how many entries of exactly that magnitude are among the k.

    The bits of positive floats are in the order of the floats, so two passes with a histogram, of
    the upper and then of the lower 16 bits, find it exactly and in little memory.

    Args:
      tensors: gives the arrays anew at each call. Magnitudes are compared in float32.
      k: at least 1 and at most the number of all entries.

    Raises:
      ValueError: if an entry is not a number, or k is outside that range.
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
    """Zero what is below a threshold, and all but the first `ties` entries that are equal to it.

    Returns:
      The tensor, and how many ties are left for those that follow.
    """
    magnitudes = np.abs(tensor).astype(np.float32)
    keep = magnitudes > threshold
    equal = np.flatnonzero(magnitudes.reshape(-1) == threshold)[:ties]
    keep.reshape(-1)[equal] = True
    return np.where(keep, tensor, np.zeros_like(tensor)), ties - equal.size


def with_floor(tensor: np.ndarray, count: int) -> np.ndarray:
    """Return magnitudes in float32 of which the `count` largest are infinite, before all others.

    Zeros are not kept for their own sake: there are fewer where the tensor has fewer non-zeros.

    Args:
      tensor: floating-point array of any shape.
      count: from 0 to the number of entries.
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
    """The bin of the k-th largest, and which one it is in there."""
    above = np.cumsum(histogram[::-1])
    place = int(np.searchsorted(above, k))
    before = int(above[place - 1]) if place else 0
    return histogram.size - 1 - place, k - before
