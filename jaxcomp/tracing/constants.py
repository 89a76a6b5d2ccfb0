"""Which entries of a network's arrays are the same for all inputs, and what they are.

The program is gone through once, forward, with two fields (`jaxcomp.tracing.fields`) for each
array: whether an entry varies, with the input or from place to place, and the value of those that
do not. Parameters are known as they are. A unit all of whose weights are zero has the value of its
bias, whatever comes in; a function of it is a constant too, and so on.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing import fields
from jaxcomp.tracing.primitives import ELEMENTWISE
from jaxcomp.tracing.program import LOOP, Operation, Program

# Entries of a field; one that needs more is taken to vary.
_MAX_ENTRIES = 2**26
_MAX_EVALUATED = 2**22
# numpy gives the same as XLA here, and compiles nothing.
_ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "stop_gradient": np.array,
    "copy": np.array,
    "optimization_barrier": np.array,
}
_SUMS = {"reduce_sum": np.sum, "reduce_prod": np.prod}
_CHOICES = {
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_and": np.all,
    "reduce_or": np.any,
}


class Known(NamedTuple):
    """What is known of an array, in two fields."""

    value: np.ndarray  # of the array's type; 0 where the entry varies
    varies: np.ndarray  # bool

    @property
    def zero(self) -> np.ndarray:
        """A field that tells which entries are zero for all inputs."""
        return ~self.varies & (self.value == 0)


class Constants(NamedTuple):
    """What is known of all arrays of a program, by their number."""

    known: dict[int, Known]
    walls: tuple[str, ...]  # where constants were lost, for a person


def constants_of(program: Program, leaves: Sequence[np.ndarray]) -> Constants:
    """Return what is known of each array for parameters `leaves`, in tree order.

    A product with an entry that is always zero counts as zero: all values are taken to be finite.
    """
    known: dict[int, Known] = {}
    walls: dict[str, None] = {}
    for array, value in program.constants.items():
        known[array] = _constant(value)
    for array, leaf in zip(program.parameters, leaves, strict=True):
        known[array] = Known(np.asarray(leaf), _no(leaf.ndim))
    for array in program.inputs:
        known[array] = _unknown(program, array)
    for operation in program.operations:
        arguments = [known[array] for array in operation.inputs]
        with np.errstate(all="ignore"):
            results = _results(program, operation, arguments)
        if results is None:
            results = [_unknown(program, array) for array in operation.outputs]
            lost = [k for k in arguments if k.varies.any() and not k.varies.all()]
            if lost:
                walls[f"constant units enter `{operation.name}`, which is not understood"] = None
        known.update(zip(operation.outputs, results, strict=True))
    return Constants(known, tuple(walls))


def _results(program: Program, operation: Operation, arguments: list[Known]) -> list[Known] | None:
    """What is known of the results of an operation; None if it is not understood."""
    name = operation.name
    if name == LOOP:
        return None
    everything = all(not argument.varies.any() for argument in arguments)
    if arguments and all(argument.varies.all() for argument in arguments):
        return [_unknown(program, array) for array in operation.outputs]
    before = [program.shapes[array].shape for array in operation.inputs]
    after = [program.shapes[array].shape for array in operation.outputs]
    if name in ELEMENTWISE:
        results = [_elementwise(operation, arguments, program.shapes[operation.outputs[0]].dtype)]
    elif name in _RULES:
        results = _RULES[name](operation, arguments, before, after)
        if isinstance(results, Known):
            results = [results]
    elif everything and sum(math.prod(shape) for shape in (*before, *after)) <= _MAX_EVALUATED:
        results = _evaluated(operation, arguments, before)
    else:
        return None
    if results is None:
        return None
    return [
        _settled(result, program.shapes[array])
        for array, result in zip(operation.outputs, results, strict=True)
    ]


def _settled(known: Known, like: jax.ShapeDtypeStruct) -> Known:
    """The same with the array's type, zeros where it varies, and no more entries than needed."""
    value, varies = known
    if varies.all() or max(value.size, varies.size) > _MAX_ENTRIES:
        return Known(np.zeros((1,) * len(like.shape), like.dtype), ~_no(len(like.shape)))
    if not varies.any():
        varies = _no(varies.ndim)
    else:
        value = np.where(varies, np.zeros((), value.dtype), value)
    return Known(value.astype(like.dtype, copy=False), varies)


def _constant(value: Any) -> Known:
    if jnp.issubdtype(value.dtype, jax.dtypes.extended):  # keys of random numbers
        return Known(np.zeros((1,) * value.ndim), ~_no(value.ndim))
    return Known(np.asarray(value), _no(value.ndim))


def _unknown(program: Program, array: int) -> Known:
    shape, dtype = program.shapes[array].shape, program.shapes[array].dtype
    plain = np.float32 if jnp.issubdtype(dtype, jax.dtypes.extended) else dtype
    return Known(np.zeros((1,) * len(shape), plain), ~_no(len(shape)))


def _no(rank: int) -> np.ndarray:
    return np.zeros((1,) * rank, bool)


# Operations on entries


def _elementwise(operation: Operation, arguments: list[Known], dtype: np.dtype) -> Known:
    values = [argument.value for argument in arguments]
    varies = [argument.varies for argument in arguments]
    any_varies = varies[0]
    for other in varies[1:]:
        any_varies = any_varies | other
    name = operation.name
    if name == "select_n":
        which, *cases = arguments
        picked = np.broadcast_arrays(which.value.astype(int), *(case.varies for case in cases))
        chosen = np.choose(picked[0], picked[1:])
        any_varies = which.varies | chosen
    elif name in ("mul", "and"):
        any_varies = any_varies & ~(arguments[0].zero | arguments[1].zero)
    elif name == "div":
        any_varies = any_varies & ~arguments[0].zero
        # What divides a zero and varies is not zero.
        values[1] = np.where(arguments[1].varies, np.ones((), values[1].dtype), values[1])
    if name in _ARITHMETIC:
        return Known(np.asarray(_ARITHMETIC[name](*values)), any_varies)
    if name == "convert_element_type":
        return Known(values[0].astype(dtype), any_varies)
    shape = np.broadcast_shapes(*(value.shape for value in values))
    full = [jnp.asarray(np.broadcast_to(value, shape)) for value in values]
    return Known(np.asarray(operation.primitive.bind(*full, **operation.settings)), any_varies)


# Operations that move entries


def _moved(move: Callable[[np.ndarray], np.ndarray], argument: Known) -> Known:
    return Known(move(argument.value), move(argument.varies))


def _transpose(operation, arguments, before, after) -> Known:
    return _moved(lambda f: fields.transpose(f, operation.settings["permutation"]), arguments[0])


def _broadcast(operation, arguments, before, after) -> Known:
    dimensions = operation.settings["broadcast_dimensions"]
    return _moved(lambda f: fields.broadcast(f, dimensions, len(after[0])), arguments[0])


def _reshape(operation, arguments, before, after) -> Known:
    return _moved(lambda f: fields.reshape(f, before[0], after[0]), arguments[0])


def _slice(operation, arguments, before, after) -> Known:
    settings = operation.settings
    where = settings["start_indices"], settings["limit_indices"], settings["strides"]
    return _moved(lambda f: fields.cut(f, before[0], *where), arguments[0])


def _reverse(operation, arguments, before, after) -> Known:
    return _moved(lambda f: np.flip(f, operation.settings["dimensions"]), arguments[0])


def _pad(operation, arguments, before, after) -> Known | None:
    argument, filling = arguments
    config = operation.settings["padding_config"]
    if filling.varies.any():
        return None
    if math.prod(after[0]) > _MAX_ENTRIES and any(pair != (0, 0, 0) for pair in config):
        return None
    return Known(
        fields.pad(argument.value, before[0], config, filling.value),
        fields.pad(argument.varies, before[0], config, False),
    )


def _concatenate(operation, arguments, before, after) -> Known:
    axis = operation.settings["dimension"]
    return Known(*(fields.join(parts, before, axis) for parts in zip(*arguments, strict=True)))


def _stack(operation, arguments, before, after) -> Known:
    axis = operation.settings["axis"]
    longer = [(*shape[:axis], 1, *shape[axis:]) for shape in before]
    return Known(
        *(
            fields.join([np.expand_dims(part, axis) for part in parts], longer, axis)
            for parts in zip(*arguments, strict=True)
        )
    )


def _split(operation, arguments, before, after) -> list[Known]:
    axis = operation.settings["axis"]
    parts = (fields.split(field, after, axis) for field in arguments[0])
    return [Known(*pair) for pair in zip(*parts, strict=True)]


def _iota(operation, arguments, before, after) -> Known:
    axis = operation.settings["dimension"]
    shape = [size if a == axis else 1 for a, size in enumerate(after[0])]
    value = np.arange(after[0][axis]).astype(operation.settings["dtype"]).reshape(shape)
    return Known(value, _no(len(shape)))


# Operations that look up


def _dynamic_slice(operation, arguments, before, after) -> Known:
    argument, *starts = arguments
    sizes = operation.settings["slice_sizes"]
    moved = [axis for axis, size in enumerate(before[0]) if sizes[axis] != size]
    if any(starts[axis].varies.any() for axis in moved):
        return collapsed(argument, moved)
    begin = [
        int(np.clip(starts[axis].value, 0, size - sizes[axis])) if axis in moved else 0
        for axis, size in enumerate(before[0])
    ]
    end = [start + size for start, size in zip(begin, sizes, strict=True)]
    return _moved(lambda f: fields.cut(f, before[0], begin, end, None), argument)


def _gather(operation, arguments, before, after) -> Known | None:
    """The same for all indices, unless they are known and name places of a single axis."""
    argument, indices = arguments
    numbers, sizes = operation.settings["dimension_numbers"], operation.settings["slice_sizes"]
    moved = [axis for axis, size in enumerate(before[0]) if sizes[axis] != size]
    outer = [axis for axis in range(len(after[0])) if axis not in numbers.offset_dims]
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    whole = [axis for axis in range(len(before[0])) if axis not in gone]
    if not indices.varies.any() and len(moved) == 1 and numbers.start_index_map == tuple(moved):
        axis = moved[0]
        if gone == (axis,) and len(outer) == 1:
            places = np.broadcast_to(indices.value, before[1]).ravel()
            places = np.clip(places, 0, before[0][axis] - 1)
            argument = _moved(
                lambda f: np.moveaxis(
                    np.take(fields.spread(f, (axis,), before[0]), places, axis), axis, 0
                ),
                argument,
            )
            return _moved(
                lambda f: np.moveaxis(f, range(f.ndim), (*outer, *numbers.offset_dims)), argument
            )
    argument = collapsed(argument, {*moved, *gone})
    targets = numbers.offset_dims

    def move(field: np.ndarray) -> np.ndarray:
        kept = field.reshape([field.shape[axis] for axis in whole])
        return fields.broadcast(kept, targets, len(after[0]))

    return _moved(move, argument)


# Operations that add up


def collapsed(known: Known, axes: Iterable[int]) -> Known:
    """What is known of all indices of `axes` together: what differs among them varies."""
    axes = tuple(
        axis for axis in axes if max(known.value.shape[axis], known.varies.shape[axis]) > 1
    )
    if not axes:
        return known
    first = known.value[
        tuple(slice(0, 1) if a in axes else slice(None) for a in range(known.value.ndim))
    ]
    same = np.all(known.value == first, axis=axes, keepdims=True)
    varies = np.any(known.varies, axis=axes, keepdims=True) | ~same
    return Known(np.where(varies, np.zeros((), first.dtype), first), varies)


def _reduce(operation, arguments, before, after) -> Known:
    name, axes = operation.name, tuple(operation.settings["axes"])
    value, varies = arguments[0]
    if name in _SUMS:
        repeats = math.prod(before[0][axis] for axis in axes if value.shape[axis] == 1)
        wide = value.astype(np.float64) if jnp.issubdtype(value.dtype, np.floating) else value
        value = _SUMS[name](wide, axis=axes)
        value = value * repeats if name == "reduce_sum" else value**repeats
    else:
        value = _CHOICES[name](value, axis=axes)
    return Known(np.asarray(value), np.any(varies, axis=axes))


def _reduce_window(operation, arguments, before, after) -> Known:
    settings = operation.settings
    windows = settings["window_dimensions"]
    plain = zip(windows, settings["window_strides"], settings["padding"], strict=True)
    moved = [axis for axis, one in enumerate(plain) if one != (1, 1, (0, 0))]
    value, varies = collapsed(arguments[0], moved)
    if operation.name == "reduce_window_sum":
        value = value * np.asarray(math.prod(windows), value.dtype)
        if is_padded(settings["padding"], settings["base_dilation"]):
            varies = varies | (value != 0)
    return Known(value, varies)


def is_padded(padding: Sequence[tuple[int, int]], dilation: Sequence[int]) -> bool:
    """Tell whether zeros enter a window at the border or between entries."""
    return any(side != 0 for pair in padding for side in pair) or any(one != 1 for one in dilation)


def _dot_general(operation, arguments, before, after) -> Known:
    letters = product_letters(operation, before)
    one, other = arguments

    def product(left: np.ndarray, right: np.ndarray, dtype: type) -> np.ndarray:
        return contract(letters, left, right, before, dtype)

    value = product(one.value, other.value, np.float64)
    varies = product(one.varies, other.varies | (other.value != 0), np.float32)
    varies = varies + product(~one.varies & (one.value != 0), other.varies, np.float32)
    return Known(value, varies > 0)


def product_letters(operation: Operation, before: Sequence[Sequence[int]]) -> tuple[str, str, str]:
    """Return names for the axes of both arguments of a `dot_general`, and of its result."""
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
    letters: tuple[str, str, str],
    left: np.ndarray,
    right: np.ndarray,
    before: Sequence[Sequence[int]],
    dtype: type,
) -> np.ndarray:
    """Return the product of two fields; axes that both hold one entry of count as often as in the arrays."""
    repeats = 1
    one, other, result = letters
    for axis, name in enumerate(one):
        if name not in result:
            place = other.index(name)
            if left.shape[axis] == right.shape[place] == 1:
                repeats *= before[0][axis]
    return repeats * np.einsum(
        f"{one},{other}->{result}", left.astype(dtype), right.astype(dtype), optimize=False
    )


def _convolution(operation, arguments, before, after) -> Known | None:
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
    total = np.einsum(
        "goi,gi->go", entries.sum(axis=-1, dtype=np.float64), value.astype(np.float64)
    )
    channel = settings["dimension_numbers"].out_spec[1]
    shape = [-1 if axis == channel else 1 for axis in range(len(after[0]))]
    return Known(total.reshape(shape), moved.reshape(shape))


def convolution_fields(
    operation: Operation, arguments: Sequence[Known], before: Sequence[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray, Known]:
    """Return the channels of a convolution's images, and its kernel, by groups.

    Returns:
      Values and whether they vary, [groups, in]; and the kernel [groups, out, in, places].
    """
    numbers = operation.settings["dimension_numbers"]
    groups = operation.settings["feature_group_count"]
    channel = numbers.lhs_spec[1]
    images = collapsed(arguments[0], [a for a in range(len(before[0])) if a != channel])
    by_group = [fields.spread(field, (channel,), before[0]).reshape(groups, -1) for field in images]
    value, varies = by_group
    return value, varies, Known(*(kernel_field(operation, f, before[1]) for f in arguments[1]))


def kernel_field(operation: Operation, field: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a field of a convolution's kernel as [groups, out, in, places]."""
    spec = operation.settings["dimension_numbers"].rhs_spec
    groups = operation.settings["feature_group_count"]
    ordered = np.broadcast_to(field, shape).transpose(spec)
    out, into, *_ = ordered.shape
    return ordered.reshape(groups, out // groups, into, -1)


def _evaluated(
    operation: Operation, arguments: Sequence[Known], before: Sequence[Sequence[int]]
) -> list[Known]:
    full = [
        jnp.asarray(np.broadcast_to(argument.value, shape))
        for argument, shape in zip(arguments, before, strict=True)
    ]
    results = operation.primitive.bind(*full, **operation.settings)
    results = results if operation.primitive.multiple_results else [results]
    return [_constant(result) for result in results]


_RULES = {
    "transpose": _transpose,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "slice": _slice,
    "rev": _reverse,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "split": _split,
    "iota": _iota,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "reduce_window_sum": _reduce_window,
    "reduce_window_max": _reduce_window,
    "reduce_window_min": _reduce_window,
    "dot_general": _dot_general,
    "conv_general_dilated": _convolution,
} | dict.fromkeys((*_SUMS, *_CHOICES), _reduce)
