"""Represents arrays by one entry for all places at which a network's array holds the same.

A *field* belongs to an array of the program, and has as many axes. Each of its axes is either as
long as the array's, or of length 1, which stands for all indices. So a value for each channel of
any number of images is a field [1, 1, 1, channels], and nothing of the size of the images is in
memory.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcomp.tracing.primitives import reshape_groups


def spread(field: np.ndarray, axes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Return the field with `axes` as long as those of the array, which has `shape`."""
    longer = [shape[axis] if axis in axes else own for axis, own in enumerate(field.shape)]
    return np.broadcast_to(field, longer)


def transpose(field: np.ndarray, permutation: Sequence[int]) -> np.ndarray:
    """Return the field of the transposed array."""
    return np.transpose(field, permutation)


def broadcast(field: np.ndarray, dimensions: Sequence[int], rank: int) -> np.ndarray:
    """Return the field of an array after `broadcast_in_dim`."""
    shape = [1] * rank
    for own, target in zip(field.shape, dimensions, strict=True):
        shape[target] = own
    return field.reshape(shape)


def unbroadcast(
    field: np.ndarray, dimensions: Sequence[int], before: Sequence[int], combine: Any = np.any
) -> np.ndarray:
    """Return the field of the argument of `broadcast_in_dim` from that of its result.

    Args:
      field: field of the result.
      dimensions: axes of the result that the argument has.
      before: shape of the argument.
      combine: unites the entries that come from one entry of the argument.
    """
    gone = tuple(axis for axis in range(field.ndim) if axis not in dimensions)
    return narrow(combine(field, axis=gone), before, combine)


def narrow(field: np.ndarray, before: Sequence[int], combine: Any = np.any) -> np.ndarray:
    """Return the field of an argument that an elementwise operation spreads over longer axes.

    An argument without axes spreads over all axes.
    """
    if not before:
        return np.asarray(combine(field))
    longer = tuple(axis for axis, own in enumerate(field.shape) if own > 1 and before[axis] == 1)
    return combine(field, axis=longer, keepdims=True) if longer else field


def reshape(field: np.ndarray, before: Sequence[int], after: Sequence[int]) -> np.ndarray:
    """Return the field of the reshaped array; only axes that it needs become longer."""
    longer, shape = list(field.shape), [1] * len(after)
    for left, right in reshape_groups(before, after):
        if any(field.shape[axis] != 1 for axis in left):
            for axis in left:
                longer[axis] = before[axis]
            for axis in right:
                shape[axis] = after[axis]
    return np.broadcast_to(field, longer).reshape(shape)


def cut(
    field: np.ndarray,
    before: Sequence[int],
    starts: Sequence[int],
    limits: Sequence[int],
    strides: Sequence[int] | None,
) -> np.ndarray:
    """Return the field of a slice."""
    strides = strides or (1,) * field.ndim
    return field[
        tuple(
            slice(None) if own == 1 else slice(start, limit, stride)
            for own, start, limit, stride in zip(field.shape, starts, limits, strides, strict=True)
        )
    ]


def place(
    field: np.ndarray,
    before: Sequence[int],
    starts: Sequence[int],
    limits: Sequence[int],
    strides: Sequence[int] | None,
    fill: Any = False,
) -> np.ndarray:
    """Return the field of an array [before] whose slice has `field`, and whose rest is `fill`."""
    strides = strides or (1,) * field.ndim
    sliced = [
        axis
        for axis, size in enumerate(before)
        if (starts[axis], limits[axis], strides[axis]) != (0, size, 1)
    ]
    after = [
        -(-(limit - start) // stride)
        for start, limit, stride in zip(starts, limits, strides, strict=True)
    ]
    part = spread(field, sliced, after)
    whole = np.full(
        [before[axis] if axis in sliced else own for axis, own in enumerate(part.shape)],
        fill,
        field.dtype,
    )
    whole[
        tuple(
            slice(starts[axis], limits[axis], strides[axis]) if axis in sliced else slice(None)
            for axis in range(field.ndim)
        )
    ] = part
    return whole


def pad(
    field: np.ndarray, before: Sequence[int], config: Sequence[tuple[int, int, int]], fill: Any
) -> np.ndarray:
    """Return the field of a padded array; `config` is that of `jax.lax.pad`."""
    padded = [
        axis for axis, (low, high, inner) in enumerate(config) if (low, high, inner) != (0, 0, 0)
    ]
    part = spread(field, padded, before)
    for axis in padded:
        low, high, inner = (int(n) for n in config[axis])
        length = before[axis] + inner * max(before[axis] - 1, 0)
        shape = list(part.shape)
        shape[axis] = length + max(low, 0) + max(high, 0)
        whole = np.full(shape, fill, part.dtype)
        at = [slice(None)] * part.ndim
        at[axis] = slice(max(low, 0), max(low, 0) + length, inner + 1)
        whole[tuple(at)] = part
        at[axis] = slice(max(-low, 0), shape[axis] - max(-high, 0))
        part = whole[tuple(at)]
    return part


def unpad(
    field: np.ndarray, before: Sequence[int], config: Sequence[tuple[int, int, int]], fill: Any
) -> np.ndarray:
    """Return the field of the argument of a `pad` from that of its result."""
    for axis, (low, high, inner) in enumerate(config):
        if field.shape[axis] == 1 or (low, high, inner) == (0, 0, 0):
            continue
        low, high, inner = int(low), int(high), int(inner)
        length = before[axis] + inner * max(before[axis] - 1, 0)
        # Entries that were cut off return as `fill`.
        widths = [(0, 0)] * field.ndim
        widths[axis] = (max(-low, 0), max(-high, 0))
        field = np.pad(field, widths, constant_values=fill)
        at = [slice(None)] * field.ndim
        at[axis] = slice(max(low, 0), max(low, 0) + length, inner + 1)
        field = field[tuple(at)]
    return field


def join(fields: Sequence[np.ndarray], shapes: Sequence[Sequence[int]], axis: int) -> np.ndarray:
    """Return the field of concatenated arrays."""
    parts = [spread(field, (axis,), shape) for field, shape in zip(fields, shapes, strict=True)]
    common = np.broadcast_shapes(*(part.shape[:axis] + part.shape[axis + 1 :] for part in parts))
    return np.concatenate(
        [
            np.broadcast_to(part, (*common[:axis], part.shape[axis], *common[axis:]))
            for part in parts
        ],
        axis=axis,
    )


def split(field: np.ndarray, shapes: Sequence[Sequence[int]], axis: int) -> list[np.ndarray]:
    """Return the fields of the parts of an array, which have these shapes."""
    if field.shape[axis] == 1:
        return [field] * len(shapes)
    ends = np.cumsum([shape[axis] for shape in shapes])
    return np.split(field, ends[:-1], axis=axis)
