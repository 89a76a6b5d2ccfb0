"""Second moments of what the weights of a network are multiplied with.

The program is evaluated as it is; at each product with weights, the products of the other factor
with itself are summed as well. The inputs of a convolution are its patches.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing.layout import Sources
from jaxcomp.tracing.program import Operation, Program, flatten
from jaxcomp.tracing.uses import CONVOLUTION, DENSE, Use, uses_of

if TYPE_CHECKING:
    from jaxcomp.tracing.network import Network, Parameter

PyTree = Any
Sums = dict[int, tuple[jax.Array, jax.Array]]  # for each parameter: moments, and rows counted


def input_moments(
    network: "Network", params: PyTree, batches: Iterable[Any], diagonal: bool = False
) -> PyTree:
    """Return the mean second moments of what each weight is multiplied with.

    See `jaxcomp.tracing.Network.input_moments`.
    """
    network.leaves_of(params)
    passes: dict[Any, Callable[..., Sums]] = {}
    total: Sums = {}
    for batch in batches:
        inputs = batch if isinstance(batch, tuple) else (batch,)
        shapes = tuple((np.shape(x), jnp.result_type(x)) for x in jax.tree.leaves(inputs))
        key = (jax.tree.structure(inputs), shapes)
        if key not in passes:
            passes[key] = jax.jit(_one_pass(network, params, inputs, diagonal))
        sums = passes[key](params, *inputs)
        total = jax.tree.map(jnp.add, total, sums) if total else sums
    if not passes:
        raise ValueError("there are no batches: give at least one")
    leaves = [_mean(*total[leaf]) if leaf in total else None for leaf in range(len(network.names))]
    return network.structure.unflatten(leaves)


def _mean(sums: jax.Array, rows: jax.Array) -> jax.Array:
    """Divide by the number of rows; one matrix alone has no axis for it."""
    mean = sums / rows.reshape(-1, *[1] * (sums.ndim - 1))
    return mean[0] if len(mean) == 1 else mean


def _one_pass(
    network: "Network", params: PyTree, inputs: tuple[Any, ...], diagonal: bool
) -> Callable[..., Sums]:
    """Return the function of parameters and inputs that gives the sums over one batch."""
    closed = jax.make_jaxpr(network.function)(params, *inputs)
    program = flatten(closed, len(network.names), every_step=True)
    meetings: dict[tuple[int, ...], list[tuple[int, _Reader]]] = {}
    for leaf, uses in enumerate(uses_of(program)):
        one = network.parameters[network.names[leaf]]
        for use in uses:
            if use.kind in (DENSE, CONVOLUTION) and one.axes is not None:
                reader = _reader(program, leaf, one, use, diagonal)
                if reader is not None:
                    meetings.setdefault(use.operation.outputs, []).append((leaf, reader))

    def run(params: PyTree, *inputs: Any) -> Sums:
        arrays: dict[int, Any] = dict(program.constants)
        arrays |= dict(zip(program.parameters, jax.tree.leaves(params), strict=True))
        arrays |= dict(zip(program.inputs, jax.tree.leaves(inputs), strict=True))
        sums: Sums = {}
        for operation in program.operations:
            values = [arrays[array] for array in operation.inputs]
            results = operation.primitive.bind(*values, **operation.settings)
            results = results if operation.primitive.multiple_results else [results]
            arrays.update(zip(operation.outputs, results, strict=True))
            for leaf, reader in meetings.get(operation.outputs, ()):
                found = reader.sums(values)
                sums[leaf] = jax.tree.map(jnp.add, sums[leaf], found) if leaf in sums else found
        return sums

    return run


class _Reader(NamedTuple):
    """How the data of one operation become sums for one parameter."""

    rows: Callable[[Sequence[jax.Array]], jax.Array]  # [matrices, rows, inputs], of the arguments
    matrix: np.ndarray  # int [matrices]: which of the parameter's matrices each of them meets
    places: np.ndarray  # int [matrices, inputs]: where the parameter has each input
    shape: tuple[int, int]  # how many matrices the parameter has, and inputs of each
    diagonal: bool

    def sums(self, values: Sequence[jax.Array]) -> tuple[jax.Array, jax.Array]:
        x = self.rows(values).astype(jnp.float32)
        matrices, inputs = self.shape
        counted = jnp.zeros(matrices).at[self.matrix].add(float(x.shape[1]))
        if self.diagonal:
            own = jnp.sum(jnp.square(x), axis=1)
            at = (self.matrix[:, None], self.places)
            return jnp.zeros((matrices, inputs)).at[at].add(own), counted
        own = jnp.einsum("brk,brl->bkl", x, x, precision=jax.lax.Precision.HIGHEST)
        if self._is_in_order():
            return own, counted
        at = (
            self.matrix[:, None, None],
            self.places[:, :, None],
            self.places[:, None, :],
        )
        return jnp.zeros((matrices, inputs, inputs)).at[at].add(own), counted

    def _is_in_order(self) -> bool:
        matrices, inputs = self.shape
        in_order = np.broadcast_to(np.arange(inputs), self.shape)
        return np.array_equal(self.matrix, np.arange(matrices)) and np.array_equal(
            self.places, in_order
        )


def _reader(
    program: Program, leaf: int, one: "Parameter", use: Use, diagonal: bool
) -> _Reader | None:
    """Return how to read the inputs of one use; None if the weights are no longer recognized."""
    operation = use.operation
    entries = _entries(program, leaf, operation.inputs[use.operand])
    if entries is None:
        return None
    make = _of_convolution if use.kind == CONVOLUTION else _of_product
    rows, met = make(program, operation, use.operand, entries)  # met: [matrices, inputs, free]
    outputs, stack = one.axes.outputs, one.axes.stack
    inner = [axis for axis in range(len(one.shape)) if axis not in (*outputs, *stack)]
    indices = np.unravel_index(met, one.shape)

    def numbered(axes: Sequence[int]) -> np.ndarray:
        if not axes:
            return np.zeros(met.shape, int)
        return np.ravel_multi_index([indices[a] for a in axes], [one.shape[a] for a in axes])

    places, matrix = numbered(inner), numbered(stack)
    if (places != places[..., :1]).any() or (matrix != matrix[:, :1, :1]).any():
        return None  # different outputs are made of different inputs
    matrix = matrix[:, 0, 0]
    if one.groups > 1:
        matrix = matrix * one.groups + np.arange(len(matrix)) % one.groups
    count = one.groups * math.prod(one.shape[axis] for axis in stack)
    size = math.prod(one.shape[axis] for axis in inner)
    return _Reader(rows, matrix, places[..., 0], (count, size), diagonal)


def _entries(program: Program, leaf: int, array: int) -> np.ndarray | None:
    """Return for each entry of an array of weights which entry of the parameter it is, if known."""
    sources = Sources(program)
    way = sources.way(array, leaf)
    if way is None:
        return None
    shape = program.shapes[program.parameters[leaf]].shape
    entries = np.arange(math.prod(shape)).reshape(shape)
    for operation in reversed(way):
        entries = sources.laid_out(operation, entries)
    return np.broadcast_to(entries, program.shapes[array].shape)


def _of_product(
    program: Program, operation: Operation, place: int, entries: np.ndarray
) -> tuple[Callable[[Sequence[jax.Array]], jax.Array], np.ndarray]:
    contracted, batch = operation.settings["dimension_numbers"]
    data = 1 - place
    shape = program.shapes[operation.inputs[data]].shape
    free = [a for a in range(len(shape)) if a not in (*contracted[data], *batch[data])]
    order = (*batch[data], *free, *contracted[data])
    matrices = math.prod(shape[a] for a in batch[data])
    inputs = math.prod(shape[a] for a in contracted[data])

    def rows(values: Sequence[jax.Array]) -> jax.Array:
        return values[data].transpose(order).reshape(matrices, -1, inputs)

    others = [a for a in range(entries.ndim) if a not in (*contracted[place], *batch[place])]
    met = entries.transpose(*batch[place], *contracted[place], *others)
    return rows, met.reshape(matrices, inputs, -1)


def _of_convolution(
    program: Program, operation: Operation, place: int, entries: np.ndarray
) -> tuple[Callable[[Sequence[jax.Array]], jax.Array], np.ndarray]:
    settings = operation.settings
    numbers, groups = settings["dimension_numbers"], settings["feature_group_count"]
    window = [program.shapes[operation.inputs[place]].shape[a] for a in numbers.rhs_spec[2:]]
    channel = numbers.out_spec[1]

    def rows(values: Sequence[jax.Array]) -> jax.Array:
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
        last = jnp.moveaxis(patches, channel, -1)  # channels, and for each of them the window
        return last.reshape(-1, groups, last.shape[-1] // groups).swapaxes(0, 1)

    ordered = entries.transpose(numbers.rhs_spec)  # [out, in, *window]
    by_group = ordered.reshape(groups, ordered.shape[0] // groups, -1)
    return rows, by_group.swapaxes(1, 2)
