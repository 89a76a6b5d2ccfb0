"""Quantizes one NumPy array, weight by weight, to levels and the values of levels."""

import math
from collections.abc import Iterator

import numpy as np

from jaxcomp.codec.grid import MAX_LEVEL
from jaxcomp.codec.levels import FewValued
from jaxcomp.quantize.codebook import fit_codebook, nearest
from jaxcomp.quantize.uniform import check_bits, check_step

# The largest level stands for one of these shares of the largest weight.
_SHARES = 2.0 ** (-np.arange(1, 33) / 4)
# Files are entropy-coded, so a larger step costs fewer bytes. It is better than a smaller one,
# which clips weights, unless it loses the tensor: its relative error exceeds this number.
_LOST = 0.5
_HOPELESS = 2.0  # beyond so many times the least error, no smaller share is tried
_TOGETHER = 2**16  # entries that are processed at a time


def ternary_levels(w: np.ndarray, *, axis: int | None = None) -> FewValued:
    r"""Find the closest ternary array: `c` for the large weights, and zero for the others.

    .. math:: \min_{c, \, k} \; \sum_{i \le k} (|w|_{(i)} - c)^2 + \sum_{i > k} |w|_{(i)}^2

    Magnitudes are in falling order. For each `k` the best level is their mean, :math:`c = S_k / k`
    with the sum :math:`S_k` of the `k` largest, so the best `k` maximizes :math:`S_k^2 / k`.
    Sorting thus gives the exact least squares over threshold and level. Weights that are already
    ternary stay unchanged: `c` is then also the level of the theorem.

    Args:
      w: floating-point NumPy array of any shape; exact zeros stay zeros.
      axis: the axis of slices that have a level each, or None for one level.

    Example:
      >>> import numpy as np
      >>> ternary_levels(np.array([3.0, -0.1, -1.0, 2.0])).values().tolist()  # c = (3 + 2) / 2
      [2.5, 0.0, 0.0, 2.5]
    """
    magnitudes = np.abs(w)
    falling = -np.sort(-_slices(magnitudes, axis), axis=1)  # [slices, entries]
    if not falling.size:
        return FewValued(np.zeros(w.shape, np.int8), np.ones((), w.dtype))
    largest, index = falling[:, :1].astype(np.float64), np.arange(len(falling))
    # With this scale no square is too large, and sums of equal magnitudes are exact.
    scale = np.where(largest > 0, largest, 1)
    sums = np.cumsum(falling / scale, axis=1)
    k = np.argmax(sums * sums / np.arange(1, falling.shape[1] + 1), axis=1)
    smallest = falling[index, k]
    level = np.where(largest[:, 0] > 0, scale[:, 0] * (sums[index, k] / (k + 1)), 1)
    shape = _of_slices(w, axis)
    keep = magnitudes >= smallest.reshape(shape)
    levels = np.where(keep, np.sign(w), 0).astype(np.int8)
    return FewValued(levels, level.astype(w.dtype).reshape(shape))


def step_levels(w: np.ndarray, step: float) -> FewValued:
    """Round weights to the nearest multiples of one step.

    Args:
      w: floating-point NumPy array of any shape.
      step: greater than 0, in the units of the weights.

    Raises:
      ValueError: if the step is not positive and finite, or so small that a weight is more than
        32,767 steps from zero.

    Example:
      >>> import numpy as np
      >>> rounded = step_levels(np.array([0.3, -0.6, 0.1]), 0.5)
      >>> rounded.levels.tolist(), rounded.values().tolist()
      ([1, -1, 0], [0.5, -0.5, 0.0])
    """
    check_step("step", step)
    with np.errstate(over="ignore"):
        own = np.array(step).astype(w.dtype)
    _check_step(w, own, MAX_LEVEL)
    return _rounded(w, own, MAX_LEVEL)


def bits_levels(w: np.ndarray, bits: int, *, axis: int | None = None) -> FewValued:
    r"""Round to multiples of one step, to at most `2^b - 1` values.

    The step is :math:`\max |w_i| / (2^{b-1} - 1)`. With outliers its relative error can exceed one
    half. The step is then the one of least squared error in a list of smaller steps, each a fourth
    root of one half times the one before; weights beyond the largest level become that level.

    Args:
      w: floating-point NumPy array of any shape.
      bits: `b`, from 2 to 8.
      axis: the axis of slices that have a step each, or None for one step.

    Raises:
      ValueError: if `bits` is outside that range.

    Example:
      >>> import numpy as np
      >>> rounded = bits_levels(np.array([3.0, -0.6, 1.2]), 3)  # step 1, levels -3 to 3
      >>> rounded.levels.tolist()
      [3, -1, 1]
    """
    check_bits("bits", bits)
    largest = 2 ** (bits - 1) - 1
    magnitudes = _slices(np.abs(w), axis)
    top = magnitudes.max(axis=1, initial=0).astype(np.float64)
    step = np.where(top > 0, top, 1) / largest
    whole = step.astype(w.dtype).reshape(_of_slices(w, axis))
    _check_step(w, whole, largest)
    clipped = step * _best_share(magnitudes, np.where(top > 0, top, 1), largest)
    del magnitudes
    # The type of `w` may round a tiny step so coarsely that it is no longer the fitted one.
    known = np.abs(clipped.astype(w.dtype).astype(np.float64) - clipped) < 0.01 * clipped
    fitted = np.where(known, clipped, step).astype(w.dtype).reshape(whole.shape)
    return _rounded(w, fitted, largest)


def codebook_levels(w: np.ndarray, levels: int) -> FewValued:
    """Round weights to the nearest value of the best codebook of at most `levels` values.

    Arguments and errors are those of `jaxcomp.quantize.codebook`.

    Example:
      >>> import numpy as np
      >>> rounded = codebook_levels(np.array([1.5, 2.5, 0.0, 9.0, 11.0]), 3)
      >>> rounded.levels.tolist(), rounded.codebook.tolist()
      ([1, 1, 0, 2, 2], [0.0, 2.0, 10.0])
    """
    return nearest(w, fit_codebook(w, levels))


def _check_step(w: np.ndarray, step: np.ndarray, largest: int) -> None:
    if not ((step > 0) & (step < np.inf)).all():
        raise ValueError(f"the step is zero or infinite in type {w.dtype}: give another one")
    beyond = max((np.abs(part).max(initial=0) for _, part in _in_steps(w, step)), default=0)
    # A step that was rounded down makes the largest weight a little more than the largest level.
    if beyond > largest + 1:
        raise ValueError(
            f"a weight is {beyond:.0f} steps of {step} from zero, more than {largest}: "
            "give a larger step"
        )


def _rounded(w: np.ndarray, step: np.ndarray, largest: int) -> FewValued:
    levels = np.empty(w.shape, np.int16)
    out = levels.reshape(-1) if step.size == 1 else levels
    for at, part in _in_steps(w, step):
        out[at] = np.clip(part, -largest, largest)
    return FewValued(levels, step)


def _in_steps(w: np.ndarray, step: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield places of some weights and the nearest numbers of steps.

    Weights are processed in parts, since a network can fill the memory.

    Args:
      w: floating-point array of any shape.
      step: one number for all, and places are then entries of the flat array; or an array with as
        many axes as `w` that broadcasts to its shape, and places are then rows.
    """
    wide = step.astype(np.float64)
    if step.size == 1:
        w, wide = w.reshape(-1), wide.reshape(())
    rows = max(1, _TOGETHER * len(w) // max(1, w.size))
    for start in range(0, len(w), rows):
        at = slice(start, start + rows)
        own = wide[at] if wide.ndim and len(wide) > 1 else wide
        yield at, np.rint(w[at].astype(np.float64) / own)


def _best_share(magnitudes: np.ndarray, top: np.ndarray, largest: int) -> np.ndarray:
    """Return the share of the largest magnitude that the largest level stands for.

    Args:
      magnitudes: shape [slices, entries].
      top: the largest of each slice, or 1 where that is zero, shape [slices].
      largest: the largest level.

    Returns:
      Shares, shape [slices]: 1 or, where that loses the slice, the share of the least squared
      error.
    """
    least = _squared_errors(magnitudes, top, largest, 1.0)
    best = np.ones(len(magnitudes))
    norms = np.zeros(len(magnitudes))
    for at, part in _in_units(magnitudes, top):
        norms[at] += np.square(part).sum(axis=1)
    lost = least > _LOST**2 * norms
    if not lost.any():
        return best
    for share in _SHARES:
        errors = _squared_errors(magnitudes, top, largest, share)
        best, least = np.where(errors < least, share, best), np.minimum(errors, least)
        # From some share on the clipped weights dominate the error, and it only grows.
        if (errors >= _HOPELESS * least).all():
            break
    return np.where(lost, best, 1.0)


def _squared_errors(
    magnitudes: np.ndarray, top: np.ndarray, largest: int, share: float
) -> np.ndarray:
    """Return squared errors of slices, in units of the squared largest magnitude of each."""
    errors = np.zeros(len(magnitudes))
    step = np.float32(share / largest)
    for at, whole in _in_units(magnitudes, top):
        part = whole.astype(np.float32)
        part -= step * np.minimum(np.rint(part / step), np.float32(largest))
        errors[at] += np.square(part, out=part).sum(axis=1)
    return errors


def _in_units(magnitudes: np.ndarray, top: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices, and some of their magnitudes in units of the largest of each."""
    rows = max(1, _TOGETHER // max(1, magnitudes.shape[1]))
    for row in range(0, len(magnitudes), rows):
        at = slice(row, row + rows)
        for column in range(0, magnitudes.shape[1], _TOGETHER):
            yield at, magnitudes[at, column : column + _TOGETHER] / top[at, None]


def _slices(w: np.ndarray, axis: int | None) -> np.ndarray:
    """Return an array as rows with their own levels or steps, shape [slices, entries]."""
    moved = w[None] if axis is None else np.moveaxis(w, axis, 0)
    return moved.reshape(len(moved), math.prod(moved.shape[1:]))


def _of_slices(w: np.ndarray, axis: int | None) -> tuple[int, ...]:
    """Return the shape, beside `w`, of an array with one number for each slice."""
    if axis is None:
        return ()
    return tuple(n if a == axis % w.ndim else 1 for a, n in enumerate(w.shape))
