"""Derives what is known of sums, products and pooling of arrays."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing import fields
from jaxcomp.tracing.known import Known, collapsed
from jaxcomp.tracing.moves import MAX_ENTRIES, Rule, Shapes
from jaxcomp.tracing.program import Operation

_SUMS: dict[str, Callable[..., Any]] = {"reduce_sum": np.sum, "reduce_prod": np.prod}
_CHOICES: dict[str, Callable[..., Any]] = {
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_and": np.bitwise_and.reduce,
    "reduce_or": np.bitwise_or.reduce,
}


def wide(array: np.ndarray) -> np.ndarray:
    """Return the array in the widest type of its kind."""
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(np.float64)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.int64)


def _reduce(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known | None:
    name, axes = operation.name, tuple(operation.settings["axes"])
    value, varies = arguments[0]
    if any(before[0][axis] == 0 for axis in axes):
        return None
    if name in _SUMS:
        repeats = math.prod(before[0][axis] for axis in axes if value.shape[axis] == 1)
        value = _SUMS[name](wide(value), axis=axes)
        value = value * repeats if name == "reduce_sum" else value**repeats
    else:
        value = _CHOICES[name](value, axis=axes)
    return Known(np.asarray(value), np.any(varies, axis=axes))


# Pooling


def pooled_axes(settings: Mapping[str, Any]) -> list[int]:
    """Return the axes that the windows of a `reduce_window` move along."""
    each = zip(
        settings["window_dimensions"],
        settings["window_strides"],
        settings["padding"],
        settings["base_dilation"],
        strict=True,
    )
    return [axis for axis, one in enumerate(each) if one != (1, 1, (0, 0), 1)]


def _reduce_window(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known | None:
    moved = pooled_axes(operation.settings)
    value, varies = collapsed(arguments[0], moved)
    counts = [_entries_seen(operation.settings, axis, before[0][axis]) for axis in moved]
    if operation.name != "reduce_window_sum":
        # A window without entries has the value from which the maximum starts.
        return Known(value, varies) if all(count.all() for count in counts) else None
    if not value.any():
        return Known(value, varies)
    for axis, count in zip(moved, counts, strict=True):
        if (count == count[:1]).all():
            count = count[:1]
        if value.size * count.size > MAX_ENTRIES:
            return None
        value = value * count.reshape([-1 if a == axis else 1 for a in range(value.ndim)]).astype(
            value.dtype
        )
    return Known(value, varies)


def _entries_seen(settings: Mapping[str, Any], axis: int, size: int) -> np.ndarray:
    """Return how many entries of an axis each window sees, without padding."""
    window, stride = settings["window_dimensions"][axis], settings["window_strides"][axis]
    apart, dilation = settings["base_dilation"][axis], settings["window_dilation"][axis]
    low, high = settings["padding"][axis]
    last = (size - 1) * apart
    reach = (window - 1) * dilation
    first = np.arange(-low, last + high - reach + 1, stride)
    places = first[:, None] + np.arange(window) * dilation
    return ((places >= 0) & (places <= last) & (places % apart == 0)).sum(axis=1)


def is_padded(padding: Sequence[tuple[int, int]], dilation: Sequence[int]) -> bool:
    """Tell whether zeros enter a window at the border or between entries."""
    return any(side != 0 for pair in padding for side in pair) or any(one != 1 for one in dilation)


# Products


def _dot_general(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known:
    letters = product_letters(operation, before)
    one, other = arguments

    def met(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return contract(letters, left.astype(np.float32), right.astype(np.float32), before)

    value = contract(letters, wide(one.value), wide(other.value), before)
    varies = met(one.varies, other.varies | (other.value != 0))
    varies = varies + met(~one.varies & (one.value != 0), other.varies)
    return Known(value, varies > 0)


def product_letters(operation: Operation, before: Shapes) -> tuple[str, str, str]:
    """Return letters for the axes of both arguments of a `dot_general`, and of its result."""
    (left, right), (left_batch, right_batch) = operation.settings["dimension_numbers"]
    names = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    one = [next(names) for _ in before[0]]
    other = [next(names) for _ in before[1]]
    for a, b in zip((*left, *left_batch), (*right, *right_batch), strict=True):
        other[b] = one[a]
    free = [one[a] for a in range(len(one)) if a not in (*left, *left_batch)]
    free += [other[b] for b in range(len(other)) if b not in (*right, *right_batch)]
    return "".join(one), "".join(other), "".join([*(one[a] for a in left_batch), *free])


def contract(
    letters: tuple[str, str, str], left: np.ndarray, right: np.ndarray, before: Shapes
) -> np.ndarray:
    """Return the product of two fields, in their type.

    Axes along which both fields have one entry count as often as they occur in the shapes `before`.
    """
    repeats = 1
    one, other, result = letters
    for axis, name in enumerate(one):
        if name not in result:
            place = other.index(name)
            if left.shape[axis] == right.shape[place] == 1:
                repeats *= before[0][axis]
    return repeats * np.einsum(f"{one},{other}->{result}", left, right, optimize=False)


def mean(operation: Operation, place: int, field: np.ndarray, before: Shapes) -> np.ndarray:
    """Return the field of a `dot_general` that averages equal entries along an axis.

    Args:
      operation: the product, with weights whose sums are one.
      place: which of its arguments is averaged.
      field: field of that argument, with one entry along the axis of the sum.
      before: shapes of both arguments.
    """
    one, other, result = product_letters(operation, before)
    weights = np.ones((1,) * len(before[1 - place]), field.dtype)
    both = (field, weights) if place == 0 else (weights, field)
    return np.einsum(f"{one},{other}->{result}", *both)


def _convolution(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known | None:
    settings = operation.settings
    if settings["batch_group_count"] != 1 or arguments[1].varies.any():
        return None
    value, varies, kernel = convolution_fields(operation, arguments, before)
    entries = kernel.value  # [groups, out, in, places]
    used = (entries != 0).any(axis=-1).astype(np.float32)
    if is_padded(settings["padding"], settings["lhs_dilation"]):
        varies = varies | (value != 0)
        value = np.where(varies, 0, value)
    moved = np.einsum("goi,gi->go", used, varies.astype(np.float32)) > 0
    # The kernel is large, and most channels vary or are zero.
    wanted = value.any(axis=0)
    total = np.einsum("goip,gi->go", wide(entries[:, :, wanted]), wide(value[:, wanted]))
    channel = settings["dimension_numbers"].out_spec[1]
    shape = [-1 if axis == channel else 1 for axis in range(len(after[0]))]
    return Known(total.reshape(shape), moved.reshape(shape))


def convolution_fields(
    operation: Operation, arguments: Sequence[Known], before: Shapes
) -> tuple[np.ndarray, np.ndarray, Known]:
    """Return the channels of a convolution's images, and its kernel, by groups.

    Returns:
      Values and whether they vary, [groups, in]; and the kernel, [groups, out, in, places].
    """
    numbers = operation.settings["dimension_numbers"]
    groups = operation.settings["feature_group_count"]
    channel = numbers.lhs_spec[1]
    images = collapsed(arguments[0], [a for a in range(len(before[0])) if a != channel])
    by_group = [fields.spread(field, (channel,), before[0]).reshape(groups, -1) for field in images]
    value, varies = by_group
    return value, varies, Known(*(_by_group(operation, f, before[1]) for f in arguments[1]))


def _by_group(operation: Operation, field: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a field of a convolution's kernel as [groups, out, in, places]."""
    spec = operation.settings["dimension_numbers"].rhs_spec
    groups = operation.settings["feature_group_count"]
    ordered = np.broadcast_to(field, shape).transpose(spec)
    out, into, *_ = ordered.shape
    return ordered.reshape(groups, out // groups, into, math.prod(ordered.shape[2:]))


def as_kernel(operation: Operation, field: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a field [groups, out, in, places] with the axes of a convolution's kernel."""
    spec = operation.settings["dimension_numbers"].rhs_spec
    ordered = field.reshape([shape[axis] for axis in spec])
    return ordered.transpose(np.argsort(spec))


RULES: dict[str, Rule] = {
    "reduce_window_sum": _reduce_window,
    "reduce_window_max": _reduce_window,
    "reduce_window_min": _reduce_window,
    "dot_general": _dot_general,
    "conv_general_dilated": _convolution,
} | dict.fromkeys((*_SUMS, *_CHOICES), _reduce)
