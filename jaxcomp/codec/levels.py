"""Holds few-valued arrays as levels (small signed integers) and a codebook of their values."""

from typing import NamedTuple

import numpy as np

from jaxcomp.codec.counted import count_symbols, entropy_bits
from jaxcomp.codec.dtypes import signed_dtype
from jaxcomp.codec.grid import fit_grid, multiples

MAX_VALUES = 256  # the most values that an array may have to be few-valued
_CHUNK = 2**17
_FEW = 2**10  # entries that reveal whether an array was never rounded
_FEW_UNITS = 4  # units that reveal it
_FEWEST = 7  # the largest multiple of the smallest magnitude of a unit


class FewValued(NamedTuple):
    """Holds levels and a codebook: the value of each level.

    * A codebook of shape [] is one step: a level stands for `step * level`.
    * One of shape [k] has ascending values: level `l` stands for
      `codebook[l + number of negative values]`.
    * One of as many axes as the levels (2 or more), each of size 1 or full, is a step per slice.
    """

    levels: np.ndarray  # signed integers
    codebook: np.ndarray  # has the type of the array

    def values(self) -> np.ndarray:
        """Return the array that the levels stand for."""
        if self.codebook.ndim != 1:
            return multiples(self.levels, self.codebook)
        # A small integer type that holds all levels need not hold all places in the codebook.
        below, flat = negatives(self.codebook), self.levels.reshape(-1)
        out = np.empty(flat.size, self.codebook.dtype)
        for start in range(0, flat.size, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            out[chunk] = self.codebook[flat[chunk].astype(np.intp) + below]
        return out.reshape(self.levels.shape)

    def bits(self) -> float:
        """Return about how many bits it takes: the codebook, and the entropy of the levels."""
        low, high = int(self.levels.min()), int(self.levels.max())
        counts = count_symbols(self.levels.reshape(-1), high - low + 1, low)
        return 8 * self.codebook.nbytes + entropy_bits(counts[counts > 0])


def smallest_form(array: np.ndarray) -> tuple[FewValued | np.ndarray, float]:
    """Return the form of an array with the fewest bits, levels or the array, and about how many."""
    if not (array.size and array.view(f"u{array.itemsize}").any()):
        return array, 0.0
    few = few_valued(array)
    # No other form is smaller than one with a common step.
    by_unit = None if few is not None and few.codebook.ndim == 0 else few_valued_by_unit(array)
    best, fewest = array, plain_bits(array)
    for form in (by_unit, few):  # the last of the smallest wins
        if form is not None and (bits := form.bits()) <= fewest:
            best, fewest = form, bits
    return best, fewest


def plain_bits(array: np.ndarray) -> float:
    """Return about how many bits an array takes as a pattern of zeros and its other entries."""
    on = np.count_nonzero(array)
    counts = np.array([n for n in (on, array.size - on) if n])
    return 8 * array.itemsize * on + entropy_bits(counts)


def negatives(codebook: np.ndarray) -> int:
    """Count the values of a codebook that are below zero."""
    with np.errstate(invalid="ignore"):  # NaNs can be signalling, here and below
        return int(np.count_nonzero(codebook < 0))


def smallest_dtype(levels: np.ndarray) -> type[np.signedinteger]:
    """Return the smallest of int8, int16 and int32 that holds all levels."""
    return signed_dtype(int(levels.min(initial=0)), int(levels.max(initial=0)))


def different_levels(levels: np.ndarray) -> int:
    """Count the distinct levels."""
    if not levels.size:
        return 0
    low, high = int(levels.min()), int(levels.max())
    return int(np.count_nonzero(count_symbols(levels.reshape(-1), high - low + 1, low)))


def few_valued(array: np.ndarray) -> FewValued | None:
    """Return levels and codebook of an array, exact to the bit, or None beyond 256 values.

    Values are distinguished by their bits: 0.0 and -0.0 are two values, and so are two NaNs with
    different payloads.

    Args:
      array: contiguous little-endian array of any shape, with at least one entry.
    """
    bits = array.reshape(-1).view(f"u{array.dtype.itemsize}")
    used = _different(bits)
    if used is None:
        return None
    values = used.view(array.dtype)
    order = np.lexsort((used, _comparable(values)))
    grid = fit_grid(values[order])
    if grid is None:
        codebook, numbers = values[order], np.arange(values.size) - negatives(values)
    else:
        codebook, numbers = grid
    level_of = np.empty(values.size, np.int16)  # indexed by place in `used`
    level_of[order] = numbers
    levels = np.empty(bits.size, smallest_dtype(level_of))
    for start in range(0, bits.size, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        levels[chunk] = level_of[np.searchsorted(used, bits[chunk])]
    return FewValued(levels.reshape(array.shape), codebook)


def few_valued_by_unit(array: np.ndarray) -> FewValued | None:
    """Return levels with a step for each slice along the last axis, exact to the bit, or None.

    This finds weights that were made ternary for each output unit: the entries of a slice must be
    small multiples of its smallest magnitude.

    Args:
      array: contiguous little-endian array with at least one entry.
    """
    if array.ndim < 2 or array.dtype.kind == "b":
        return None
    flat = array.reshape(-1, array.shape[-1])
    with np.errstate(invalid="ignore"):
        if any(np.unique(column).size > MAX_VALUES for column in flat[:, :_FEW_UNITS].T):
            return None
        wide = flat.astype(np.float64)
    if not np.isfinite(wide).all():
        return None
    smallest = np.min(np.abs(wide), axis=0, where=wide != 0, initial=np.inf)
    steps = np.where(np.isfinite(smallest), smallest, 0)
    with np.errstate(over="ignore"):  # quotients by subnormal steps overflow
        levels = np.rint(wide / np.where(steps > 0, steps, 1))
    if not np.abs(levels).max() <= _FEWEST:
        return None
    axes = (1,) * (array.ndim - 1)
    with np.errstate(invalid="ignore"):  # float64 can round a step out of the range of the type
        codebook = steps.astype(array.dtype).reshape(*axes, -1)
    found = FewValued(levels.astype(np.int8).reshape(array.shape), codebook)
    return found if found.values().tobytes() == array.tobytes() else None


def _different(bits: np.ndarray) -> np.ndarray | None:
    """Return the sorted distinct values, or None if there are too many; takes little memory."""
    used = np.unique(bits[:_FEW])
    for start in range(_FEW, bits.size, _CHUNK):
        new = bits[start : start + _CHUNK]
        while new.size and used.size <= MAX_VALUES:
            place = np.minimum(np.searchsorted(used, new), used.size - 1)
            new = new[used[place] != new]
            used = np.union1d(used, new[:_FEW])
        if used.size > MAX_VALUES:
            break
    return used if used.size <= MAX_VALUES else None


def _comparable(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return values if values.dtype.kind in "biuf" else values.astype(np.float64)
