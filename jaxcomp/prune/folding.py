"""Finds where a constant goes: into a later bias, through operations that pass it on.

Suppose that an array becomes smaller by a constant. What follows stays the same if a later bias
becomes larger by the image of the constant under the sums, products with known factors, dense
layers and pooling between the two.
"""

import heapq
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing import fields
from jaxcomp.tracing.averages import averaged_axis, averages
from jaxcomp.tracing.known import Known, no_entry
from jaxcomp.tracing.layout import LAYOUT, Source, Sources, Stays, one_of_each
from jaxcomp.tracing.program import Operation, Program
from jaxcomp.tracing.sums import (
    contract,
    convolution_fields,
    is_padded,
    mean,
    pooled_axes,
    product_letters,
)

_POOLED = frozenset(["reduce_window_max", "reduce_window_min", "reduce_max", "reduce_min"])
BORDER = "zero padding makes the next layer see it end at the border"


class Change(NamedTuple):
    """Says by how much a bias has to change."""

    leaf: int  # the parameter, by its position in tree order
    amount: np.ndarray  # float64, of its shape


class Folding:
    """Knows the ways through a program along which constants can be passed on."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.sources = Sources(program)
        self.averages = averages(program)
        self.takers: dict[int, set[int]] = {}  # array -> positions of operations
        for position, operation in enumerate(program.operations):
            for array in operation.inputs:
                self.takers.setdefault(array, set()).add(position)

    def source(self, array: int) -> Source:
        """Return the parameter that an array is, up to its layout, if sums can change it.

        Raises:
          Stays: if there is no such parameter, if it is used elsewhere, or if it holds whole
            numbers on the way.
        """
        source = self.sources.of(array)
        ways = [self.program.parameters[source.leaf], *(op.outputs[0] for op in source.way)]
        if not all(self._floats(array) for array in ways):
            raise Stays("it is no floating-point parameter")
        return source

    def change_for(
        self, array: int, amount: np.ndarray, known: Mapping[int, Known]
    ) -> tuple[list[Change], list[int]]:
        """Return the changes of biases after which nothing changes behind them.

        Args:
          array: the array that becomes smaller.
          amount: by how much: a field of it, float64.
          known: the known values of arrays (`jaxcomp.tracing.constants.constants_of`).

        Returns:
          The changes, and the arrays in front of the biases, whose values differ.

        Raises:
          Stays: if an operation on the way does not pass the constant on.
        """
        amounts: dict[int, np.ndarray] = {}
        changes: list[Change] = []
        ahead: list[int] = []
        arrived = [(array, amount)]
        reason = "the network's output follows, without a bias to take it"
        while True:
            for array, amount in arrived:
                if amount.any():
                    if array in self.program.outputs:
                        raise Stays(reason)
                    amounts[array] = self._checked(array, amount)
                    for position in self.takers.get(array, ()):
                        heapq.heappush(ahead, position)
            if not ahead:
                return changes, list(amounts)
            position = heapq.heappop(ahead)
            while ahead and ahead[0] == position:
                heapq.heappop(ahead)
            operation = self.program.operations[position]
            try:
                change = self._taken(operation, amounts)
            except Stays as why:
                change, reason = None, str(why)  # a later bias may take it
            changes += [change] if change else []
            arrived = [] if change else self._behind(operation, amounts, known)

    def _checked(self, array: int, amount: np.ndarray) -> np.ndarray:
        if not self._floats(array):
            raise Stays("whole or complex numbers follow")
        if not np.isfinite(amount).all():
            raise Stays("it is divided by zero")
        rank = len(self.program.shapes[array].shape)
        return amount if amount.ndim == rank else amount.reshape((1,) * rank)

    def _floats(self, array: int) -> bool:
        return jnp.issubdtype(self.program.shapes[array].dtype, jnp.floating)

    def _taken(self, operation: Operation, amounts: Mapping[int, np.ndarray]) -> Change | None:
        """Return the change of the bias that an operation adds; None if it adds none.

        Raises:
          Stays: if that bias cannot take the constant.
        """
        free = [array in self.sources.without_data for array in operation.inputs]
        if operation.name not in ("add", "add_any", "sub") or not any(free):
            return None
        place = free.index(True)
        array, other = operation.inputs[1 - place], operation.inputs[place]
        amount = _signs(operation)[1 - place] * amounts[array]
        source = self.source(other)
        narrowed = one_of_each(amount, self.program.shapes[other].shape)
        return Change(source.leaf, source.to_leaf(_signs(operation)[place] * narrowed))

    def _behind(
        self, operation: Operation, amounts: Mapping[int, np.ndarray], known: Mapping[int, Known]
    ) -> list[tuple[int, np.ndarray]]:
        """Return by how much the results of an operation become smaller."""
        name, settings = operation.name, operation.settings
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        own = [
            amounts.get(array, np.zeros((1,) * len(shape)))
            for array, shape in zip(operation.inputs, shapes, strict=True)
        ]
        places = [i for i, array in enumerate(operation.inputs) if array in amounts]
        if name in ("add", "add_any", "sub"):
            first, second = _signs(operation)
            return [(operation.outputs[0], first * own[0] + second * own[1])]
        if name == "concatenate":
            return [(operation.outputs[0], fields.join(own, shapes, settings["dimension"]))]
        if len(places) > 1:
            raise Stays(f"`{name}` takes it twice")
        amount = own[places[0]]
        return [(operation.outputs[0], self._passed_on(operation, places[0], amount, known))]

    def _passed_on(
        self, operation: Operation, place: int, amount: np.ndarray, known: Mapping[int, Known]
    ) -> np.ndarray:
        """Return the image of a constant difference of one argument under an operation."""
        name, settings = operation.name, operation.settings
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        if name in LAYOUT:
            return self.sources.laid_out(operation, amount)
        if name == "neg":
            return -amount
        if name == "reduce_sum":
            axes = tuple(settings["axes"])
            return fields.spread(amount, axes, shapes[0]).sum(axis=axes)
        if name in _POOLED or name == "reduce_window_sum":
            return _pooled(operation, amount)
        if name == "conv_general_dilated" and place == 0:
            return _convolved(operation, amount, known[operation.inputs[1]], shapes)
        if name == "dot_general":
            axis = averaged_axis(operation, place, self.averages)
            if axis is not None:
                wanted = [1 if a == axis else 2 for a in range(amount.ndim)]
                return mean(operation, place, one_of_each(amount, wanted), shapes)
        if name in ("mul", "div", "dot_general") and (name, place) != ("div", 1):
            factor = known[operation.inputs[1 - place]]
            if not factor.varies.any() and self._floats(operation.outputs[0]):
                factors = factor.value.astype(np.float64)
                if name == "mul":
                    return amount * factors
                if name == "div":
                    with np.errstate(all="ignore"):
                        return amount / factors
                left, right = (amount, factors) if place == 0 else (factors, amount)
                return contract(product_letters(operation, shapes), left, right, shapes)
        raise Stays(f"`{name}` comes before the next bias")


def _signs(operation: Operation) -> tuple[float, float]:
    return (1.0, -1.0 if operation.name == "sub" else 1.0)


def _pooled(operation: Operation, amount: np.ndarray) -> np.ndarray:
    settings = operation.settings
    if "axes" in settings:
        axes = tuple(settings["axes"])
        return one_of_each(amount, [1 if a in axes else 2 for a in range(amount.ndim)]).squeeze(
            axes
        )
    moved = pooled_axes(settings)
    same = one_of_each(amount, [1 if a in moved else 2 for a in range(amount.ndim)])
    if operation.name != "reduce_window_sum":
        return same
    if is_padded(settings["padding"], settings["base_dilation"]):
        raise Stays("zero padding makes pooling see it end at the border")
    return same * np.prod(settings["window_dimensions"])


def _convolved(
    operation: Operation,
    amount: np.ndarray,
    kernel: Known,
    shapes: list[tuple[int, ...]],
) -> np.ndarray:
    settings = operation.settings
    if kernel.varies.any() or settings["batch_group_count"] != 1:
        raise Stays("a convolution with a kernel that varies comes before the next bias")
    if is_padded(settings["padding"], settings["lhs_dilation"]):
        raise Stays(BORDER)
    channel = settings["dimension_numbers"].lhs_spec[1]
    one_of_each(amount, [2 if a == channel else 1 for a in range(amount.ndim)])
    difference = Known(amount, no_entry(amount.ndim))
    value, _, by_group = convolution_fields(operation, [difference, kernel], shapes)
    total = np.einsum("goip,gi->go", by_group.value.astype(np.float64), value)
    out = settings["dimension_numbers"].out_spec[1]
    return total.reshape([-1 if a == out else 1 for a in range(len(shapes[0]))])
