"""Finds where rows of a table are looked up, and how the loss depends on each entry."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing.program import Operation, Program
from jaxcomp.tracing.rows import entries_of
from jaxcomp.tracing.uses import EMBEDDING, uses_of

if TYPE_CHECKING:
    from jaxcomp.tracing.network import Network


class Lookup(NamedTuple):
    """Describes one operation that looks up entries of a parameter.

    The parameter counts as one matrix [inputs, outputs] by its axes. The matrix of an embedding is
    [tokens, features]; a table that is also multiplied has the axes of the product.
    """

    leaf: int  # position of the parameter in tree order
    operation: Operation
    entries: np.ndarray  # int: for each entry of the first argument, the entry of the parameter
    shape: tuple[int, int]  # inputs and outputs

    def sums(self, values: Sequence[jax.Array], each: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return sums of numbers for each entry of the result, over outputs and over inputs.

        Args:
          values: the arguments of the operation.
          each: the numbers, of the shape of its result.

        Returns:
          Sums of shapes [inputs] and [outputs].
        """
        operation, (inputs, outputs) = self.operation, self.shape
        settings = dict(operation.settings)
        if "fill_value" in settings:  # filling for rows that the table does not have
            settings["fill_value"] = inputs * outputs
        table = jnp.asarray(self.entries, jnp.int32)
        places = operation.results(table, *values[1:], **settings)[0]
        output = jnp.where(places < inputs * outputs, places % outputs, outputs)
        by_input = jnp.zeros(inputs).at[places // outputs].add(each, mode="drop")
        return by_input, jnp.zeros(outputs).at[output].add(each, mode="drop")


def lookups_of(network: "Network", program: Program) -> dict[tuple[int, ...], list[Lookup]]:
    """Return where parameters are looked up in a program, by the results of the operation."""
    found: dict[tuple[int, ...], list[Lookup]] = {}
    for leaf, uses in enumerate(uses_of(program)):
        one = network.parameters[network.names[leaf]]
        if one.axes is None or one.axes.stack or one.groups > 1:
            continue
        for use in uses:
            if use.kind != EMBEDDING or use.operation is None:
                continue
            entries = entries_of(program, leaf, use.operation.inputs[use.operand])
            if entries is None:
                continue
            # Entries are numbered as in the matrix: by input, then by output.
            inner = [a for a in range(len(one.shape)) if a not in one.axes.outputs]
            order = (*inner, *one.axes.outputs)
            numbers = np.arange(math.prod(one.shape)).reshape([one.shape[a] for a in order])
            of_leaf = numbers.transpose(np.argsort(order)).ravel()
            inputs, outputs = (
                math.prod(one.shape[a] for a in group) for group in (inner, order[len(inner) :])
            )
            lookup = Lookup(leaf, use.operation, of_leaf[entries], (inputs, outputs))
            found.setdefault(use.operation.outputs, []).append(lookup)
    return found
