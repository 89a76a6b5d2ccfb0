"""Collects moments of the inputs of the weights of a network.

The program is evaluated unchanged. At each product with weights, the products of the other factor
with itself are summed. The inputs of a convolution are its patches.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing.program import Program, flatten
from jaxcomp.tracing.rows import Rows, rows_of

if TYPE_CHECKING:
    from jaxcomp.tracing.network import Network

PyTree = Any


class Inputs(NamedTuple):
    """Holds sums over rows of the inputs of one parameter, for each of its matrices."""

    rows: Any  # number of rows, [matrices]
    first: Any  # x, [matrices, inputs]
    second: Any  # x x^T, [matrices, inputs, inputs]; diagonals are [matrices, inputs]
    first_before: Any = None  # x with earlier parameters; None if there are none
    cross: Any = None  # x z^T, with the input z of earlier parameters

    def mean(self) -> "Inputs":
        """Return means in place of sums, in float64."""

        def divided(sums: Any) -> np.ndarray | None:
            if sums is None:
                return None
            sums = np.asarray(sums, np.float64)
            rows = np.maximum(np.asarray(self.rows), 1)  # a matrix may meet no rows
            return sums / rows.reshape(-1, *[1] * (sums.ndim - 1))

        return Inputs(np.asarray(self.rows), *map(divided, self[1:]))


def input_moments(
    network: "Network", params: PyTree, batches: Iterable[Any], diagonal: bool = False
) -> PyTree:
    """Return the mean second moments of the inputs of each weight.

    See `jaxcomp.tracing.Network.input_moments`.
    """
    network.leaves_of(params)
    sums = InputSums(network, diagonal=diagonal)(params, batches)

    def mean(one: Inputs) -> jax.Array:
        each = one.second / jnp.maximum(one.rows, 1).reshape(-1, *[1] * (one.second.ndim - 1))
        return each[0] if len(each) == 1 else each

    leaves = [mean(sums[leaf]) if leaf in sums else None for leaf in range(len(network.names))]
    return network.structure.unflatten(leaves)


class InputSums:
    """Sums the inputs of some parameters; it is compiled once for each shape of a batch."""

    def __init__(
        self,
        network: "Network",
        leaves: Iterable[int] | None = None,
        *,
        diagonal: bool = False,
    ) -> None:
        """Choose the parameters at these positions in tree order, or all."""
        self._network = network
        self._leaves = None if leaves is None else frozenset(leaves)
        self._diagonal = diagonal
        self._passes: dict[Any, Callable[..., dict[int, Inputs]]] = {}

    def __call__(
        self, params: PyTree, batches: Iterable[Any], before: PyTree | None = None
    ) -> dict[int, Inputs]:
        """Return the sums, by the position of the parameter.

        Args:
          params: parameters of the network.
          batches: inputs of the network; a tuple if it takes several.
          before: earlier parameters, whose inputs are wanted too.

        Raises:
          ValueError: if there are no batches.
        """
        total: dict[int, Inputs] = {}
        for batch in batches:
            inputs = batch if isinstance(batch, tuple) else (batch,)
            key = (*shapes_of(inputs), before is None)
            if key not in self._passes:
                self._passes[key] = jax.jit(self._one_pass(params, inputs))
            sums = self._passes[key](params, before, *inputs)
            total = jax.tree.map(jnp.add, total, sums) if total else sums
        if not self._passes:
            raise ValueError("there are no batches: give at least one")
        return total

    def _one_pass(
        self, params: PyTree, inputs: tuple[Any, ...]
    ) -> Callable[..., dict[int, Inputs]]:
        program = program_of(self._network, params, inputs)
        meetings = rows_of(self._network, program, self._leaves)

        def run(params: PyTree, before: PyTree | None, *inputs: Any) -> dict[int, Inputs]:
            sums: dict[int, Inputs] = {}
            now, then = read(program, meetings, params, inputs), None
            if before is not None:
                then = read(program, meetings, before, inputs)
            for place, (rows, x) in enumerate(now):
                z = None if then is None else then[place][1]
                found = self._sums(rows, x, z)
                known = sums.get(rows.leaf)
                sums[rows.leaf] = found if known is None else jax.tree.map(jnp.add, known, found)
            return sums

        return run

    def _sums(self, rows: Rows, x: jax.Array, z: jax.Array | None) -> Inputs:
        first, counted = rows.sum_of_inputs(x), rows.row_counts(x)
        if self._diagonal:
            second = rows.sum_of_inputs(jnp.square(x))
            cross = None if z is None else rows.sum_of_inputs(x * z)
        else:
            second = rows.sum_of_products(x, x)
            cross = None if z is None else rows.sum_of_products(x, z)
        return Inputs(counted, first, second, None if z is None else rows.sum_of_inputs(z), cross)


def shapes_of(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the structure, shapes and types on which a compiled program depends."""
    leaves, structure = jax.tree.flatten(inputs)
    return structure, tuple((np.shape(x), jnp.result_type(x)) for x in leaves)


def program_of(network: "Network", params: PyTree, inputs: tuple[Any, ...]) -> Program:
    """Return the operations of the network for such inputs, with every step of its loops."""
    closed = jax.make_jaxpr(network.function)(params, *inputs)
    return flatten(closed, len(network.names), every_step=True)


def read(
    program: Program,
    meetings: Mapping[tuple[int, ...], Sequence[Rows]],
    params: PyTree,
    inputs: tuple[Any, ...],
) -> list[tuple[Rows, jax.Array]]:
    """Return the rows of inputs, float32 [products, rows, inputs], of all meetings."""
    found = []

    def look(operation: Any, values: Sequence[jax.Array], results: Sequence[jax.Array]) -> Any:
        for rows in meetings.get(operation.outputs, ()):
            found.append((rows, rows.ins(values).astype(jnp.float32)))
        return results

    evaluate(program, params, inputs, look)
    return found


def evaluate(
    program: Program,
    params: PyTree,
    inputs: tuple[Any, ...],
    look: Callable[[Any, Sequence[jax.Array], Sequence[jax.Array]], Sequence[jax.Array]],
) -> list[jax.Array]:
    """Return the outputs of a program.

    `look` is called with each operation, its arguments and its results, and returns the results
    that replace them.
    """
    arrays: dict[int, Any] = dict(program.constants)
    arrays |= dict(zip(program.parameters, jax.tree.leaves(params), strict=True))
    arrays |= dict(zip(program.inputs, jax.tree.leaves(inputs), strict=True))
    for operation in program.operations:
        values = [arrays[array] for array in operation.inputs]
        results = operation.results(*values, **operation.settings)
        arrays.update(zip(operation.outputs, look(operation, values, results), strict=True))
    return [arrays[array] for array in program.outputs]
