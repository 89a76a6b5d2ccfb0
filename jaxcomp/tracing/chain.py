"""Finds layers that feed one another in order, and the axes of their units.

The units of each layer are numbered from 1. The numbers follow the arrays of the program in fields
(`jaxcomp.tracing.fields`), through activations, pooling and flattening, to the biases and to the
next layer.
"""

from typing import NamedTuple

import numpy as np

from jaxcomp.tracing.layout import LAYOUT, Sources, Stays, one_of_each
from jaxcomp.tracing.network import Network
from jaxcomp.tracing.primitives import ELEMENTWISE
from jaxcomp.tracing.program import Operation
from jaxcomp.tracing.sums import product_letters

_POOLING = frozenset(
    [
        "reduce_window_max",
        "reduce_window_min",
        "reduce_window_sum",
        "reduce_max",
        "reduce_min",
        "reduce_sum",
    ]
)


class Place(NamedTuple):
    """Holds one axis of one parameter that runs along the units of a layer."""

    parameter: str
    axis: int
    units: np.ndarray  # int [size of the axis]: the unit of each index, counted from 1


class Layer(NamedTuple):
    """Describes a dense layer or a convolution of a chain."""

    kernel: str  # name of the parameter
    inputs: int  # axis of the kernel for the outputs of the layer before, or for the input
    units: int
    places: tuple[Place, ...]  # its units in its kernel, its bias and the next layer's kernel


class NotAChainError(ValueError):
    """Says why the layers of a network do not simply follow one another."""


def chain_of(network: Network) -> tuple[Layer, ...]:
    """Return the layers of a network in order; each of them feeds the next one alone.

    Raises:
      NotAChainError: if the network is no such chain of dense layers and convolutions with
        activations and pooling between them; the message names the operation that prevents it.
    """
    return _Follower(network).layers()


class _Follower:
    """Follows the one way from the input to the output."""

    def __init__(self, network: Network) -> None:
        self.network, self.program = network, network.program
        self.sources = Sources(network.program)
        self.units: dict[int, np.ndarray] = {}  # fields of unit numbers; 0 for no unit
        self.found: list[tuple[str, int, int]] = []
        self.places: list[list[Place]] = []

    def layers(self) -> tuple[Layer, ...]:
        for array in self.program.inputs:
            self.units[array] = np.zeros((1,) * len(self.program.shapes[array].shape), int)
        for operation in self.program.operations:
            data = [a for a in operation.inputs if a not in self.sources.without_data]
            if not data:
                continue
            if len(data) > 1 or any(array not in self.units for array in data):
                raise _no_chain(f"`{operation.name}` joins arrays")
            self._follow(operation, data[0])
        return tuple(
            Layer(name, inputs, units, tuple(places))
            for (name, inputs, units), places in zip(self.found, self.places, strict=True)
        )

    def _follow(self, operation: Operation, data: int) -> None:
        field, name = self.units[data], operation.name
        if len([op for op in self.sources.consumers[data] if op is not operation]):
            raise _no_chain(f"an array that `{name}` takes is used twice")
        if name in ("dot_general", "conv_general_dilated"):
            after = self._layer(operation, operation.inputs.index(data), field)
        elif name in ELEMENTWISE:
            for other in operation.inputs:
                if other != data:
                    self._beside(other, field)
            after = field
        elif name in LAYOUT:
            after = self.sources.laid_out(operation, field)
        elif name in _POOLING:
            after = field
            if "axes" in operation.settings:
                after = _same(field, operation.settings["axes"], name)
                after = after.squeeze(tuple(operation.settings["axes"]))
        else:
            raise _no_chain(f"`{name}` is in the way")
        self.units[operation.outputs[0]] = after

    def _layer(self, operation: Operation, place: int, field: np.ndarray) -> np.ndarray:
        """Note a layer, and number its units."""
        weights = operation.inputs[1 - place]
        try:
            source = self.sources.of(weights)
        except Stays as reason:
            raise _no_chain(f"the weights of `{operation.name}`: {reason}") from None
        name = self.network.names[source.leaf]
        parameter = self.network.parameters[name]
        axes = parameter.axes
        if axes is None or len(axes.inputs) != 1 or len(axes.outputs) != 1 or parameter.groups > 1:
            raise _no_chain(f"{name!r} has several axes of inputs or outputs, or groups")
        if self.found:
            along = source.to_leaf(self._on_weights(operation, place, field))
            self.places[-1].append(_place(name, along))
        units = parameter.shape[axes.outputs[0]]
        self.found.append((name, axes.inputs[0], units))
        numbers = np.arange(1, units + 1)
        self.places.append([Place(name, axes.outputs[0], numbers)])
        shape = self.program.shapes[operation.outputs[0]].shape
        return self._of_result(operation, place, numbers, shape)

    def _on_weights(self, operation: Operation, place: int, field: np.ndarray) -> np.ndarray:
        """Turn units along the data into units along the weights that they meet."""
        if operation.name == "conv_general_dilated":
            numbers = operation.settings["dimension_numbers"]
            shape = [1] * field.ndim
            shape[numbers.rhs_spec[1]] = field.shape[numbers.lhs_spec[1]]
            return field.reshape(shape)
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        letters = product_letters(operation, shapes)
        own, others = letters[place], letters[1 - place]
        return np.einsum(f"{own}->{''.join(n for n in others if n in own)}", field).reshape(
            [field.shape[own.index(n)] if n in own else 1 for n in others]
        )

    def _of_result(
        self, operation: Operation, place: int, numbers: np.ndarray, shape: tuple[int, ...]
    ) -> np.ndarray:
        if operation.name == "conv_general_dilated":
            axis = operation.settings["dimension_numbers"].out_spec[1]
        else:
            shapes = [self.program.shapes[array].shape for array in operation.inputs]
            letters = product_letters(operation, shapes)
            free = [n for n in letters[1 - place] if n in letters[2]]
            if len(free) != 1:
                raise _no_chain("a product with several axes of outputs is in the way")
            axis = letters[2].index(free[0])
        return numbers.reshape([-1 if a == axis else 1 for a in range(len(shape))])

    def _beside(self, array: int, field: np.ndarray) -> None:
        """Note the parameter that is added to units, or multiplies them."""
        shape = self.program.shapes[array].shape
        if not self.places or not any(
            own > 1 and units > 1 for own, units in zip(shape, field.shape, strict=False)
        ):
            return  # one number serves all units
        try:
            source = self.sources.of(array)
            along = source.to_leaf(one_of_each(field, shape))
        except Stays:
            raise _no_chain("what meets units is computed from parameters") from None
        self.places[-1].append(_place(self.network.names[source.leaf], along))


def _place(name: str, along: np.ndarray) -> Place:
    """Return the axis of a parameter along which the numbers of units change."""
    for axis in range(along.ndim):
        others = tuple(a for a in range(along.ndim) if a != axis)
        if (along == along.max(axis=others, keepdims=True)).all():
            return Place(name, axis, along.max(axis=others))
    raise _no_chain(f"units run along several axes of {name!r}")


def _same(field: np.ndarray, axes: tuple[int, ...], name: str) -> np.ndarray:
    try:
        return one_of_each(field, [1 if a in axes else 2 for a in range(field.ndim)])
    except Stays:
        raise _no_chain(f"`{name}` adds units up") from None


def _no_chain(why: str) -> NotAChainError:
    return NotAChainError(f"the layers are no chain in which units can be taken out: {why}")
