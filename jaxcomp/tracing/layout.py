"""Follows changes of layout between a parameter and the operation that uses it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxcomp.tracing import fields
from jaxcomp.tracing.primitives import ELEMENTWISE
from jaxcomp.tracing.program import Operation, Program

# These operations move entries of an array, or convert them.
LAYOUT = frozenset(
    [
        "reshape",
        "squeeze",
        "transpose",
        "broadcast_in_dim",
        "convert_element_type",
        "slice",
        "copy",
        "stop_gradient",
    ]
)


class Stays(Exception):  # noqa: N818, since it is an answer
    """Says why no bias can take a constant."""


class Sources:
    """Finds the ways from arrays of a program back to its parameters."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.consumers = program.consumers()
        self.without_data = program.without_data()
        self.made_by = {a: op for op in program.operations for a in op.outputs}
        self.leaves = {array: leaf for leaf, array in enumerate(program.parameters)}
        self._ways: dict[tuple[int, int], tuple[Operation, ...] | None] = {}

    def of(self, array: int) -> "Source":
        """Find the parameter whose layout was changed to an array, and that is used nowhere else.

        Raises:
          Stays: if there is no such parameter.
        """
        way: list[Operation] = []
        while array not in self.leaves:
            operation = self.made_by.get(array)
            if operation is None or operation.name not in LAYOUT:
                raise Stays("it is not followed by a bias")
            self._check_alone(array)
            way.append(operation)
            array = operation.inputs[0]
        self._check_alone(array)
        return Source(self, self.leaves[array], tuple(way))

    def way(self, array: int, leaf: int) -> tuple[Operation, ...] | None:
        """Return the changes of layout from an array back to a parameter that it is made of.

        Elementwise operations are skipped. The result is None if there is no such way.
        """
        if (array, leaf) not in self._ways:
            self._ways[array, leaf] = self._find_way(array, leaf)
        return self._ways[array, leaf]

    def _find_way(self, array: int, leaf: int) -> tuple[Operation, ...] | None:
        if array in self.leaves:
            return () if self.leaves[array] == leaf else None
        operation = self.made_by.get(array)
        if operation is None:
            return None
        if operation.name in LAYOUT:
            rest = self.way(operation.inputs[0], leaf)
            return None if rest is None else (operation, *rest)
        if operation.name not in ELEMENTWISE:
            return None
        shape = self.program.shapes[array].shape
        same = [other for other in operation.inputs if self.program.shapes[other].shape == shape]
        return next((way for other in same if (way := self.way(other, leaf)) is not None), None)

    def laid_out(self, operation: Operation, field: np.ndarray) -> np.ndarray:
        """Turn a field of the argument of a change of layout into one of its result."""
        name, settings = operation.name, operation.settings
        before = self.program.shapes[operation.inputs[0]].shape
        after = self.program.shapes[operation.outputs[0]].shape
        if name == "transpose":
            return fields.transpose(field, settings["permutation"])
        if name == "broadcast_in_dim":
            return fields.broadcast(field, settings["broadcast_dimensions"], len(after))
        if name in ("reshape", "squeeze"):
            return fields.reshape(field, before, after)
        if name == "slice":
            where = settings["start_indices"], settings["limit_indices"], settings["strides"]
            return fields.cut(field, before, *where)
        return field

    def laid_back(self, operation: Operation, field: np.ndarray) -> np.ndarray:
        """Turn a field of the result of a change of layout into one of its argument."""
        name, settings = operation.name, operation.settings
        before = self.program.shapes[operation.inputs[0]].shape
        after = self.program.shapes[operation.outputs[0]].shape
        if name == "transpose":
            return fields.transpose(field, np.argsort(settings["permutation"]).tolist())
        if name == "broadcast_in_dim":
            dimensions = settings["broadcast_dimensions"]
            wanted = [1] * len(after)
            for axis, target in enumerate(dimensions):
                wanted[target] = before[axis]
            same = one_of_each(field, wanted)
            return same.reshape([same.shape[target] for target in dimensions])
        if name in ("reshape", "squeeze"):
            return fields.reshape(field, after, before)
        if name == "slice":
            where = settings["start_indices"], settings["limit_indices"], settings["strides"]
            return fields.place(field, before, *where, fill=0)
        return field

    def _check_alone(self, array: int) -> None:
        """Raise `Stays` if entries of an array are used twice."""
        users = self.consumers.get(array, ())
        if array in self.program.outputs or any(user.name != "slice" for user in users[1:]):
            raise Stays("the bias is used in several places")
        if len(users) > 1:
            shape = self.program.shapes[array].shape
            counts = np.zeros(shape, np.int32)
            for user in users:
                settings = user.settings
                if user.name != "slice":
                    raise Stays("the bias is used in several places")
                where = zip(
                    settings["start_indices"],
                    settings["limit_indices"],
                    settings["strides"] or (1,) * len(shape),
                    strict=True,
                )
                counts[tuple(slice(*one) for one in where)] += 1
            if counts.max(initial=0) > 1:
                raise Stays("the bias is used in several places")


class Source(NamedTuple):
    """Holds a parameter, and the changes of layout from an array back to it."""

    sources: Sources
    leaf: int  # position of the parameter in tree order
    way: tuple[Operation, ...]

    def to_leaf(self, field: np.ndarray) -> np.ndarray:
        """Convert a field of the array to the parameter's shape.

        Raises:
          Stays: if the parameter has one entry for places at which the field differs.
        """
        for operation in self.way:
            field = self.sources.laid_back(operation, field)
        program = self.sources.program
        return np.broadcast_to(field, program.shapes[program.parameters[self.leaf]].shape)

    def of_leaf(self, values: np.ndarray) -> np.ndarray:
        """Return a field of the array from values of the parameter."""
        for operation in reversed(self.way):
            values = self.sources.laid_out(operation, values)
        return values


def one_of_each(amount: np.ndarray, wanted: Sequence[int]) -> np.ndarray:
    """Return the field with one entry along axes where `wanted` is 1; of rank 0 if there are none.

    Raises:
      Stays: if entries along these axes differ.
    """
    axes = tuple(
        a for a, own in enumerate(amount.shape) if own > 1 and (not wanted or wanted[a] == 1)
    )
    first = amount[tuple(slice(0, 1) if a in axes else slice(None) for a in range(amount.ndim))]
    if not (amount == first).all():
        raise Stays("it differs from place to place, and the next bias does not")
    return first if wanted else first.reshape(())
