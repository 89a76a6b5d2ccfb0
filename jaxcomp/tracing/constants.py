"""Finds entries of a network's arrays that are the same for all inputs, and their values.

One forward pass over the program keeps two fields (`jaxcomp.tracing.fields`) for each array:
whether an entry varies, with the input or from place to place, and the value of entries that do
not. The values of parameters are known. A unit all of whose weights are zero has the value of its
bias for every input; a function of it is a constant too, and so on.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing import moves, sums
from jaxcomp.tracing.averages import averaged_axis, averages
from jaxcomp.tracing.known import Known, collapsed, constant, no_entry, unknown
from jaxcomp.tracing.primitives import ELEMENTWISE
from jaxcomp.tracing.program import LOOP, Operation, Program

_MAX_EVALUATED = 2**22
# numpy computes the same as XLA here, and compiles nothing.
_ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "sqrt": np.sqrt,
    "square": np.square,
    "not": np.invert,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "stop_gradient": np.array,
    "copy": np.array,
}
_RULES = moves.RULES | sums.RULES


def constants_of(program: Program, leaves: Sequence[np.ndarray]) -> dict[int, Known]:
    """Return what is known of each array for parameters `leaves`, in tree order.

    A product with an entry that is always zero counts as zero: all values are assumed to be finite.
    """
    known: dict[int, Known] = {}
    for array, value in program.constants.items():
        known[array] = constant(value)
    for array, leaf in zip(program.parameters, leaves, strict=True):
        known[array] = constant(leaf)
    for array in program.inputs:
        known[array] = unknown(program.shapes[array])
    shares = averages(program)
    for operation in program.operations:
        arguments = [known[array] for array in operation.inputs]
        with np.errstate(all="ignore"):
            results = _results(program, operation, arguments)
        if results is None:
            results = [unknown(program.shapes[array]) for array in operation.outputs]
        if operation.name == "dot_general":
            results = [_averaged(program, operation, arguments, shares, results[0])]
        known.update(zip(operation.outputs, results, strict=True))
    return known


def _results(program: Program, operation: Operation, arguments: list[Known]) -> list[Known] | None:
    """Return what is known of the results of an operation, or None if it is not understood."""
    name = operation.name
    if name == LOOP or (arguments and all(argument.varies.all() for argument in arguments)):
        return None
    everything = all(not argument.varies.any() for argument in arguments)
    before = [program.shapes[array].shape for array in operation.inputs]
    after = [program.shapes[array].shape for array in operation.outputs]
    if name in _RULES:
        results = _RULES[name](operation, arguments, before, after)
        if isinstance(results, Known):
            results = [results]
    elif name in ELEMENTWISE:
        results = [_elementwise(operation, arguments, program.shapes[operation.outputs[0]].dtype)]
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


def _averaged(
    program: Program,
    operation: Operation,
    arguments: list[Known],
    shares: Mapping[int, int],
    result: Known,
) -> Known:
    """Return the result of a product, also if it averages equal entries."""
    before = [program.shapes[array].shape for array in operation.inputs]
    for place, argument in enumerate(arguments):
        axis = averaged_axis(operation, place, shares)
        if axis is None:
            continue
        value, varies = (
            sums.mean(operation, place, field, before) for field in collapsed(argument, [axis])
        )
        known = Known(np.where(result.varies, value, result.value), result.varies & varies)
        result = _settled(known, program.shapes[operation.outputs[0]])
    return result


def _settled(known: Known, like: jax.ShapeDtypeStruct) -> Known:
    """Convert it to the array's type, with zeros where it varies, and as few entries as needed."""
    value, varies = known
    if varies.all() or max(value.size, varies.size) > moves.MAX_ENTRIES:
        return unknown(like)
    if not varies.any():
        varies = no_entry(varies.ndim)
    else:
        value = np.where(varies, np.zeros((), value.dtype), value)
    return Known(value.astype(like.dtype, copy=False), varies)


def _elementwise(operation: Operation, arguments: list[Known], dtype: np.dtype) -> Known:
    values = [argument.value for argument in arguments]
    varies = functools.reduce(np.logical_or, (argument.varies for argument in arguments))
    name = operation.name
    if name == "select_n":
        varies = _selection_varies(*arguments)
    elif name in ("mul", "and"):
        varies = varies & ~(arguments[0].zero | arguments[1].zero)
    elif name == "div":
        varies = varies & ~arguments[0].zero
        # A divisor of zero that varies is never zero, so one stands for it.
        values[1] = np.where(arguments[1].varies, np.ones((), values[1].dtype), values[1])
    if name in _ARITHMETIC:
        return Known(np.asarray(_ARITHMETIC[name](*values)), varies)
    if name == "convert_element_type" and _converts_as_numpy(values[0].dtype, dtype):
        return Known(values[0].astype(dtype), varies)
    if name == "div" and jnp.issubdtype(dtype, jnp.floating):
        return Known(np.asarray(values[0] / values[1]), varies)
    return Known(_applied(operation, values), varies)


def _applied(operation: Operation, values: Sequence[np.ndarray]) -> np.ndarray:
    """Compute an operation on entries, in arrays of few lengths, each of which is compiled once."""
    shape = np.broadcast_shapes(*(value.shape for value in values))
    size = math.prod(shape)
    length = 1 << max(size - 1, 0).bit_length()
    lines = [jnp.asarray(np.resize(np.broadcast_to(value, shape), length)) for value in values]
    result = operation.results(*lines, **operation.settings)[0]
    return np.asarray(result)[:size].reshape(shape)


def _selection_varies(which: Known, *cases: Known) -> np.ndarray:
    """Tell where a selection varies: with `which`, where the cases differ."""
    chosen, differ = no_entry(which.varies.ndim), no_entry(which.varies.ndim)
    for number, case in enumerate(cases):
        chosen = chosen | (case.varies & (which.value == number))
        differ = differ | case.varies | (case.value != cases[0].value)
    return np.where(which.varies, differ, chosen)


def _converts_as_numpy(before: np.dtype, after: np.dtype) -> bool:
    """Tell whether numpy converts the type as JAX does; fractions and complex ones can differ."""
    if jnp.issubdtype(before, np.complexfloating):
        return False
    return not jnp.issubdtype(before, np.inexact) or jnp.issubdtype(after, np.inexact)


def _evaluated(
    operation: Operation, arguments: Sequence[Known], before: Sequence[Sequence[int]]
) -> list[Known]:
    full = [
        jnp.asarray(np.broadcast_to(argument.value, shape))
        for argument, shape in zip(arguments, before, strict=True)
    ]
    return [constant(result) for result in operation.results(*full, **operation.settings)]
