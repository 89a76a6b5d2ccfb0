"""Derives what is known of arrays whose entries are moved, joined or looked up."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing import fields
from jaxcomp.tracing.known import Known, collapsed, no_entry
from jaxcomp.tracing.program import Operation

Shapes = Sequence[tuple[int, ...]]
Rule = Callable[[Operation, list[Known], Shapes, Shapes], Known | list[Known] | None]
# A field of more entries is assumed to vary.
MAX_ENTRIES = 2**26


def _moved(move: Callable[[np.ndarray], np.ndarray], argument: Known) -> Known:
    return Known(move(argument.value), move(argument.varies))


def _transpose(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known:
    return _moved(lambda f: fields.transpose(f, operation.settings["permutation"]), arguments[0])


def _broadcast(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known:
    dimensions = operation.settings["broadcast_dimensions"]
    return _moved(lambda f: fields.broadcast(f, dimensions, len(after[0])), arguments[0])


def _reshape(operation: Operation, arguments: list[Known], before: Shapes, after: Shapes) -> Known:
    return _moved(lambda f: fields.reshape(f, before[0], after[0]), arguments[0])


def _slice(operation: Operation, arguments: list[Known], before: Shapes, after: Shapes) -> Known:
    settings = operation.settings
    where = settings["start_indices"], settings["limit_indices"], settings["strides"]
    return _moved(lambda f: fields.cut(f, before[0], *where), arguments[0])


def _reverse(operation: Operation, arguments: list[Known], before: Shapes, after: Shapes) -> Known:
    return _moved(lambda f: np.flip(f, operation.settings["dimensions"]), arguments[0])


def _pad(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known | None:
    argument, filling = arguments
    config = operation.settings["padding_config"]
    if filling.varies.any():
        return None
    if math.prod(after[0]) > MAX_ENTRIES and any(pair != (0, 0, 0) for pair in config):
        return None
    return Known(
        fields.pad(argument.value, before[0], config, filling.value),
        fields.pad(argument.varies, before[0], config, False),
    )


def _concatenate(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known:
    axis = operation.settings["dimension"]
    return Known(*(fields.join(parts, before, axis) for parts in zip(*arguments, strict=True)))


def _stack(operation: Operation, arguments: list[Known], before: Shapes, after: Shapes) -> Known:
    axis = operation.settings["axis"]
    longer = [(*shape[:axis], 1, *shape[axis:]) for shape in before]
    return Known(
        *(
            fields.join([np.expand_dims(part, axis) for part in parts], longer, axis)
            for parts in zip(*arguments, strict=True)
        )
    )


def _iota(operation: Operation, arguments: list[Known], before: Shapes, after: Shapes) -> Known:
    axis = operation.settings["dimension"]
    shape = [size if a == axis else 1 for a, size in enumerate(after[0])]
    value = np.arange(after[0][axis]).astype(operation.settings["dtype"]).reshape(shape)
    return Known(value, no_entry(len(shape)))


# These operations look up entries.


def _dynamic_slice(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known:
    argument, *starts = arguments
    sizes = operation.settings["slice_sizes"]
    moved = [axis for axis, size in enumerate(before[0]) if sizes[axis] != size]
    if any(starts[axis].varies.any() for axis in moved):
        return collapsed(argument, moved)
    begin = [
        int(np.clip(int(starts[axis].value), 0, size - sizes[axis])) if axis in moved else 0
        for axis, size in enumerate(before[0])
    ]
    end = [start + size for start, size in zip(begin, sizes, strict=True)]
    return _moved(lambda f: fields.cut(f, before[0], begin, end, None), argument)


def _gather(
    operation: Operation, arguments: list[Known], before: Shapes, after: Shapes
) -> Known | None:
    """Take what is the same for all indices, unless they are known places of a single axis."""
    argument, indices = arguments
    numbers = operation.settings["dimension_numbers"]
    places = known_places(operation, indices, before)
    if places is not None:
        axis, where = places
        (outer,) = (a for a in range(len(after[0])) if a not in numbers.offset_dims)

        def taken(field: np.ndarray) -> np.ndarray:
            field = np.take(fields.spread(field, (axis,), before[0]), where, axis)
            field = np.moveaxis(field, axis, 0)
            return np.moveaxis(field, range(field.ndim), (outer, *numbers.offset_dims))

        return _moved(taken, argument)
    moved, gone = looked_up_axes(operation, before[0])
    argument = collapsed(argument, {*moved, *gone})
    filling = operation.settings["fill_value"]
    filled = operation.settings["mode"] == jax.lax.GatherScatterMode.FILL_OR_DROP
    # Infinite fillings are assumed not to occur; other fillings are values like the rest.
    if filled and filling is not None and np.isfinite(filling):
        argument = argument._replace(varies=argument.varies | (argument.value != filling))
    elif filled and not jnp.issubdtype(argument.value.dtype, np.inexact) and filling is None:
        return None
    whole = [axis for axis in range(len(before[0])) if axis not in gone]

    def move(field: np.ndarray) -> np.ndarray:
        kept = field.reshape([field.shape[axis] for axis in whole])
        return fields.broadcast(kept, numbers.offset_dims, len(after[0]))

    return _moved(move, argument)


def looked_up_axes(
    operation: Operation, before: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes of which a `gather` takes a part, and those that its result lacks."""
    numbers, sizes = operation.settings["dimension_numbers"], operation.settings["slice_sizes"]
    moved = tuple(axis for axis, size in enumerate(before) if sizes[axis] != size)
    gone = tuple(sorted((*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)))
    return moved, gone


def known_places(
    operation: Operation, indices: Known, before: Shapes
) -> tuple[int, np.ndarray] | None:
    """Return the axis and the places on it that a `gather` takes one by one, if they are known.

    Args:
      operation: the `gather`.
      indices: what is known of its second argument.
      before: shapes of both arguments.
    """
    numbers = operation.settings["dimension_numbers"]
    moved, gone = looked_up_axes(operation, before[0])
    if indices.varies.any() or len(moved) != 1 or numbers.start_index_map != moved:
        return None
    if gone != moved or len(before[1]) != 2:
        return None
    places = np.broadcast_to(indices.value, before[1]).ravel()
    last = before[0][moved[0]] - 1
    outside = ((places < 0) | (places > last)).any()
    if outside and operation.settings["mode"] == jax.lax.GatherScatterMode.FILL_OR_DROP:
        return None
    return moved[0], np.clip(places, 0, last)


RULES: dict[str, Rule] = {
    "transpose": _transpose,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "slice": _slice,
    "rev": _reverse,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "iota": _iota,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
}
