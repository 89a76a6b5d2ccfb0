"""Finds where weights meet data, as products of matrices: rows of inputs give rows of outputs.

A dense layer has a row for each example and place, a convolution has one for each patch. Several
products of one operation (groups, batches) are separate matrices.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing.layout import Sources
from jaxcomp.tracing.program import Operation, Program
from jaxcomp.tracing.uses import CONVOLUTION, DENSE, Use, uses_of

if TYPE_CHECKING:
    from jaxcomp.tracing.network import Network, Parameter


class Rows(NamedTuple):
    """Describes how data of one operation become rows of inputs and of outputs of one parameter.

    An operation makes `products` products of matrices. The parameter holds `matrices` matrices with
    `inputs` inputs and `outputs` outputs.
    """

    leaf: int  # position of the parameter in tree order
    operation: Operation
    ins: Callable[[Sequence[jax.Array]], jax.Array]  # from arguments to [products, rows, inputs]
    outs: Callable[[jax.Array], jax.Array]  # from the result to [products, rows, outputs]
    field: Callable[[np.ndarray], np.ndarray]  # from [products, outputs] to one row of the result
    matrix: np.ndarray  # int [products]: the parameter's matrix that each of them meets
    ins_at: np.ndarray  # int [products, inputs]: places of inputs in the parameter
    outs_at: np.ndarray  # int [products, outputs]: places of outputs in the parameter
    matrices: int
    inputs: int
    outputs: int

    def sum_of_inputs(self, x: jax.Array) -> jax.Array:
        """Return the sums of rows [products, rows, inputs], of shape [matrices, inputs]."""
        own = jnp.sum(x, axis=1)
        return jnp.zeros((self.matrices, self.inputs)).at[self._ins()].add(own)

    def sum_of_outputs(self, y: jax.Array) -> jax.Array:
        """Return the sums of rows [products, rows, outputs], of shape [matrices, outputs]."""
        own = jnp.sum(y, axis=1)
        at = (self.matrix[:, None], self.outs_at)
        return jnp.zeros((self.matrices, self.outputs)).at[at].add(own)

    def sum_of_products(self, x: jax.Array, z: jax.Array) -> jax.Array:
        """Return the sums of `x^T z` over rows, of shape [matrices, inputs, inputs]."""
        return self._added(_products(x, z), self.ins_at, self.inputs)

    def sum_of_products_of_outputs(self, y: jax.Array) -> jax.Array:
        """Return the sums of `y^T y` over rows, of shape [matrices, outputs, outputs]."""
        return self._added(_products(y, y), self.outs_at, self.outputs)

    def row_counts(self, x: jax.Array) -> jax.Array:
        """Return the number of rows that each matrix meets, float32 [matrices]."""
        return jnp.zeros(self.matrices).at[self.matrix].add(float(x.shape[1]))

    def _added(self, own: jax.Array, places: np.ndarray, size: int) -> jax.Array:
        """Return sums [products, k, k] over the products of each matrix, in its order."""
        in_order = np.broadcast_to(np.arange(size), (self.matrices, size))
        if np.array_equal(self.matrix, np.arange(self.matrices)) and np.array_equal(
            places, in_order
        ):
            return own
        at = (self.matrix[:, None, None], places[:, :, None], places[:, None, :])
        return jnp.zeros((self.matrices, size, size)).at[at].add(own)

    def _ins(self) -> tuple[np.ndarray, np.ndarray]:
        return self.matrix[:, None], self.ins_at


def _products(x: jax.Array, z: jax.Array) -> jax.Array:
    return jnp.einsum("brk,brl->bkl", x, z, precision=jax.lax.Precision.HIGHEST)


def rows_of(
    network: "Network", program: Program, leaves: frozenset[int] | None = None
) -> dict[tuple[int, ...], list[Rows]]:
    """Return where parameters meet data in a program, by the results of the operation.

    Args:
      network: knows the axes of parameters.
      program: the network's operations; they may be those for other inputs than the traced ones.
      leaves: positions of the parameters in tree order; all by default.
    """
    found: dict[tuple[int, ...], list[Rows]] = {}
    for leaf, uses in enumerate(uses_of(program)):
        one = network.parameters[network.names[leaf]]
        if leaves is not None and leaf not in leaves:
            continue
        for use in uses:
            if use.kind in (DENSE, CONVOLUTION) and use.operation is not None:
                rows = _rows(program, leaf, one, use, use.operation)
                if rows is not None:
                    found.setdefault(use.operation.outputs, []).append(rows)
    return found


def _rows(
    program: Program, leaf: int, one: "Parameter", use: Use, operation: Operation
) -> Rows | None:
    """Return the rows of one use, or None if the weights are no longer recognized."""
    if one.axes is None:
        return None
    entries = entries_of(program, leaf, operation.inputs[use.operand])
    if entries is None:
        return None
    make = _of_convolution if use.kind == CONVOLUTION else _of_product
    ins, outs, field, met = make(program, operation, use.operand, entries)
    # `met` has the entry of the parameter for each [product, input, output].
    outputs, stack = one.axes.outputs, one.axes.stack
    inner = [axis for axis in range(len(one.shape)) if axis not in (*outputs, *stack)]
    indices = np.unravel_index(met, one.shape)

    def numbered(axes: Sequence[int]) -> np.ndarray:
        if not axes:
            return np.zeros(met.shape, int)
        return np.ravel_multi_index([indices[a] for a in axes], [one.shape[a] for a in axes])

    def size(axes: Sequence[int]) -> int:
        return math.prod(one.shape[axis] for axis in axes)

    ins_at, outs_at, matrix = numbered(inner), numbered(outputs), numbered(stack)
    if (
        (ins_at != ins_at[..., :1]).any()
        or (outs_at != outs_at[:, :1]).any()
        or (matrix != matrix[:, :1, :1]).any()
    ):
        return None  # different outputs have different inputs
    matrix = matrix[:, 0, 0]
    own_outputs = outs_at[:, 0]
    if one.groups > 1:
        group = np.arange(len(matrix)) % one.groups
        matrix = matrix * one.groups + group
        own_outputs = own_outputs - (group * (size(outputs) // one.groups))[:, None]
    return Rows(
        leaf,
        operation,
        ins,
        outs,
        field,
        matrix,
        ins_at[..., 0],
        own_outputs,
        one.groups * size(stack),
        size(inner),
        size(outputs) // one.groups,
    )


def entries_of(program: Program, leaf: int, array: int) -> np.ndarray | None:
    """Return for each entry of an array of weights its entry of the parameter, or None."""
    sources = Sources(program)
    way = sources.way(array, leaf)
    if way is None:
        return None
    shape = program.shapes[program.parameters[leaf]].shape
    entries = np.arange(math.prod(shape)).reshape(shape)
    for operation in reversed(way):
        entries = sources.laid_out(operation, entries)
    return np.broadcast_to(entries, program.shapes[array].shape)


_Ins = Callable[[Sequence[jax.Array]], jax.Array]
_Outs = Callable[[jax.Array], jax.Array]
_Field = Callable[[np.ndarray], np.ndarray]


def _of_product(
    program: Program, operation: Operation, place: int, entries: np.ndarray
) -> tuple[_Ins, _Outs, _Field, np.ndarray]:
    contracted, batch = operation.settings["dimension_numbers"]
    data = 1 - place
    shape = program.shapes[operation.inputs[data]].shape
    free = [a for a in range(len(shape)) if a not in (*contracted[data], *batch[data])]
    order = (*batch[data], *free, *contracted[data])
    products = math.prod(shape[a] for a in batch[data])
    inputs = math.prod(shape[a] for a in contracted[data])
    others = [a for a in range(entries.ndim) if a not in (*contracted[place], *batch[place])]
    outputs = math.prod(entries.shape[a] for a in others)
    # The result has the axes of the batch, then the free axes of the first argument.
    first = range(len(batch[0]), len(batch[0]) + (len(free) if data == 0 else len(others)))
    last = range(first.stop, len(batch[0]) + len(free) + len(others))
    of_rows, of_outputs = (first, last) if data == 0 else (last, first)

    def ins(values: Sequence[jax.Array]) -> jax.Array:
        return values[data].transpose(order).reshape(products, -1, inputs)

    def outs(result: jax.Array) -> jax.Array:
        moved = result.transpose(*range(len(batch[0])), *of_rows, *of_outputs)
        return moved.reshape(products, -1, outputs)

    def field(values: np.ndarray) -> np.ndarray:
        sizes = [shape[a] for a in batch[data]]
        sizes += [1] * len(free) + [entries.shape[a] for a in others]
        split = values.reshape(sizes)
        came = (*range(len(batch[0])), *of_rows, *of_outputs)
        return split.transpose(np.argsort(came))

    met = entries.transpose(*batch[place], *contracted[place], *others)
    return ins, outs, field, met.reshape(products, inputs, outputs)


def _of_convolution(
    program: Program, operation: Operation, place: int, entries: np.ndarray
) -> tuple[_Ins, _Outs, _Field, np.ndarray]:
    settings = operation.settings
    numbers, groups = settings["dimension_numbers"], settings["feature_group_count"]
    window = [program.shapes[operation.inputs[place]].shape[a] for a in numbers.rhs_spec[2:]]
    channel = numbers.out_spec[1]

    def by_group(last: jax.Array) -> jax.Array:
        return last.reshape(-1, groups, last.shape[-1] // groups).swapaxes(0, 1)

    def ins(values: Sequence[jax.Array]) -> jax.Array:
        patches = jax.lax.conv_general_dilated_patches(
            values[0],
            window,
            settings["window_strides"],
            settings["padding"],
            lhs_dilation=settings["lhs_dilation"],
            rhs_dilation=settings["rhs_dilation"],
            dimension_numbers=numbers,
            precision=jax.lax.Precision.HIGHEST,
        )
        # Channels come last, each with its window.
        return by_group(jnp.moveaxis(patches, channel, -1))

    def outs(result: jax.Array) -> jax.Array:
        return by_group(jnp.moveaxis(result, channel, -1))

    def field(values: np.ndarray) -> np.ndarray:
        return values.reshape([-1 if a == channel else 1 for a in range(len(numbers.out_spec))])

    ordered = entries.transpose(numbers.rhs_spec)  # [out, in, *window]
    met = ordered.reshape(groups, ordered.shape[0] // groups, -1)
    return ins, outs, field, met.swapaxes(1, 2)
