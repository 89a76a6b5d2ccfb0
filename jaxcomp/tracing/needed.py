"""Finds the entries of a network's arrays on which its outputs depend.

One backward pass over the program keeps one field (`jaxcomp.tracing.fields`) for each array. An
entry that is multiplied by an exact zero is not needed. The outputs follow from needed entries
alone, so all others can have any value at the same time. If both factors are zero, only one of them
is not needed.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from jaxcomp.tracing import fields
from jaxcomp.tracing.known import Known, no_entry
from jaxcomp.tracing.moves import Shapes, known_places, looked_up_axes
from jaxcomp.tracing.primitives import ELEMENTWISE
from jaxcomp.tracing.program import Operation, Program
from jaxcomp.tracing.sums import as_kernel, convolution_fields, pooled_axes, product_letters

Need = np.ndarray | np.bool | bool
Needs = Sequence[Need]


def needed_of(
    program: Program, known: Mapping[int, Known], also: Sequence[int] = ()
) -> list[np.ndarray]:
    """Return a bool array for each parameter, in tree order: which of its entries are needed.

    Args:
      program: the network.
      known: what is known of its arrays (`jaxcomp.tracing.constants.constants_of`).
      also: arrays that are needed even if no output depends on them.
    """
    backward = _Backward(program, known, also)
    return [
        np.broadcast_to(backward.needed(array), program.shapes[array].shape)
        for array in program.parameters
    ]


class _Backward:
    def __init__(self, program: Program, known: Mapping[int, Known], also: Sequence[int]) -> None:
        self.program, self.known = program, known
        self.without_data = program.without_data()
        self.fields: dict[int, np.ndarray] = {}
        for array in (*program.outputs, *also):
            self._need(array, True)
        for operation in reversed(program.operations):
            if any(self.needed(array).any() for array in operation.outputs):
                self._through(operation)

    def needed(self, array: int) -> np.ndarray:
        return self.fields.get(array, no_entry(len(self.program.shapes[array].shape)))

    def _need(self, array: int, field: Need) -> None:
        field = self.needed(array) | field
        self.fields[array] = np.ones((1,) * field.ndim, bool) if field.all() else field

    def _through(self, operation: Operation) -> None:
        shapes = [self.program.shapes[array].shape for array in operation.inputs]
        after = [self.program.shapes[array].shape for array in operation.outputs]
        needs = [self.needed(array) for array in operation.outputs]
        known = [self.known[array] for array in operation.inputs]
        if operation.name in _RULES:
            found = _RULES[operation.name](operation, needs, shapes, after)
        elif operation.name in ELEMENTWISE:
            found = self._elementwise(operation, needs[0], known, shapes)
        elif operation.name == "dot_general":
            found = self._product(operation, needs[0], known, shapes)
        elif operation.name == "conv_general_dilated":
            found = self._convolution(operation, needs[0], known, shapes)
        elif operation.name == "gather":
            found = _gather(operation, needs[0], known[1], shapes)
        else:
            found = [True] * len(shapes)
        for array, field in zip(operation.inputs, found, strict=True):
            self._need(array, field)

    def _elementwise(
        self, operation: Operation, need: np.ndarray, known: list[Known], shapes: list
    ) -> Needs:
        found = [need] * len(known)
        if operation.name in ("mul", "and"):
            first, second = self._let_go(operation, known)
            found = [need & ~first, need & ~second]
        elif operation.name == "select_n" and not known[0].varies.any():
            which = known[0].value
            found = [need, *(need & (which == case) for case in range(len(known) - 1))]
        return [fields.narrow(field, shape) for field, shape in zip(found, shapes, strict=True)]

    def _let_go(self, operation: Operation, known: list[Known]) -> tuple[np.ndarray, np.ndarray]:
        """Return the entries of two factors that are not needed, since the other factor is zero."""
        first, second = (one.zero for one in known)
        if self._relies_on_second(operation):
            return second, first & ~second
        return second & ~first, first

    def _relies_on_second(self, operation: Operation) -> bool:
        """Tell whether, of two zeros, the second stays: zeros of parameters hold for all inputs."""
        return operation.inputs[1] in self.without_data

    def _product(
        self, operation: Operation, need: np.ndarray, known: list[Known], shapes: list
    ) -> Needs:
        one, other, result = product_letters(operation, shapes)
        names = (one, other)
        zeros = [factor.zero for factor in known]
        kept = 1 if self._relies_on_second(operation) else 0
        loose = 1 - kept

        def reaches(place: int, field: np.ndarray) -> np.ndarray:
            """Return the entries of a factor that meet an entry of `field` in a needed sum."""
            return _any_product((names[1 - place], field), (result, need), names[place])

        found: list[Need] = [True, True]
        found[loose] = reaches(loose, ~zeros[kept])
        # Its zeros are needed too: because of them, the other factor is not.
        everything = np.ones_like(zeros[loose])
        found[kept] = reaches(kept, ~zeros[loose]) | (reaches(kept, everything) & zeros[kept])
        return found

    def _convolution(
        self, operation: Operation, need: np.ndarray, known: list[Known], shapes: list
    ) -> Needs:
        if operation.settings["batch_group_count"] != 1 or known[1].varies.any():
            return [True, True]
        numbers = operation.settings["dimension_numbers"]
        groups = operation.settings["feature_group_count"]
        channel = numbers.out_spec[1]
        others = tuple(axis for axis in range(need.ndim) if axis != channel)
        size = self.program.shapes[operation.outputs[0]].shape[channel]
        outputs = np.broadcast_to(need.any(axis=others), size).reshape(groups, -1)
        value, varies, kernel = convolution_fields(operation, known, shapes)
        entries = kernel.value != 0  # [groups, out, in, places]
        images = (entries.any(axis=-1) & outputs[:, :, None]).any(axis=1)  # [groups, in]
        silent = ~varies & (value == 0)
        weights = outputs[:, :, None, None] & ~(silent[:, None, :, None] & entries)
        shape = [-1 if axis == numbers.lhs_spec[1] else 1 for axis in range(len(shapes[0]))]
        return [images.reshape(shape), as_kernel(operation, weights, shapes[1])]


def _any_product(
    one: tuple[str, np.ndarray], other: tuple[str, np.ndarray], target: str
) -> np.ndarray:
    """Tell for each entry of `target` whether a product of entries of two bool fields is True.

    The letters of a field name its axes.
    """
    floats = (field.astype(np.float32) for _, field in (one, other))
    return np.einsum(f"{one[0]},{other[0]}->{target}", *floats) > 0


# These operations move entries.


def _transpose(
    operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes
) -> Needs:
    return [fields.transpose(needs[0], np.argsort(operation.settings["permutation"]).tolist())]


def _broadcast(
    operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes
) -> Needs:
    dimensions = operation.settings["broadcast_dimensions"]
    return [fields.unbroadcast(needs[0], dimensions, shapes[0])]


def _slice(operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes) -> Needs:
    settings = operation.settings
    where = settings["start_indices"], settings["limit_indices"], settings["strides"]
    return [fields.place(needs[0], shapes[0], *where)]


def _reverse(operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes) -> Needs:
    return [np.flip(needs[0], operation.settings["dimensions"])]


def _pad(operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes) -> Needs:
    return [fields.unpad(needs[0], shapes[0], operation.settings["padding_config"], False), True]


def _concatenate(
    operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes
) -> Needs:
    return fields.split(needs[0], shapes, operation.settings["dimension"])


def _stack(operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes) -> Needs:
    axis = operation.settings["axis"]
    if needs[0].shape[axis] == 1:
        return [needs[0].squeeze(axis)] * len(shapes)
    return [np.take(needs[0], i, axis) for i in range(len(shapes))]


# These operations look up entries or add them up.


def _dynamic_slice(
    operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes
) -> Needs:
    sizes = operation.settings["slice_sizes"]
    moved = tuple(axis for axis, size in enumerate(shapes[0]) if sizes[axis] != size)
    return [needs[0].any(axis=moved, keepdims=True), *[True] * (len(shapes) - 1)]


def _gather(operation: Operation, need: np.ndarray, indices: Known, shapes: Shapes) -> Needs:
    numbers = operation.settings["dimension_numbers"]
    outer = tuple(axis for axis in range(need.ndim) if axis not in numbers.offset_dims)
    places = known_places(operation, indices, shapes)
    if places is not None:
        axis, where = places
        taken = np.moveaxis(need, (*outer, *numbers.offset_dims), range(need.ndim))
        field = np.zeros((shapes[0][axis], *taken.shape[1:]), bool)
        np.logical_or.at(field, where, np.broadcast_to(taken, (len(where), *taken.shape[1:])))
        return [np.moveaxis(field, 0, axis), True]
    moved, gone = looked_up_axes(operation, shapes[0])
    field = np.expand_dims(need.any(axis=outer), gone)
    return [field.any(axis=moved, keepdims=True), True]


def _reduce(operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes) -> Needs:
    return [np.expand_dims(needs[0], operation.settings["axes"])]


def _reduce_window(
    operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes
) -> Needs:
    return [needs[0].any(axis=tuple(pooled_axes(operation.settings)), keepdims=True)]


def _reshape(operation: Operation, needs: list[np.ndarray], shapes: Shapes, after: Shapes) -> Needs:
    return [fields.reshape(needs[0], after[0], shapes[0])]


_RULES: dict[str, Callable[..., Needs]] = {
    "transpose": _transpose,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "slice": _slice,
    "rev": _reverse,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "dynamic_slice": _dynamic_slice,
    "reduce_window_sum": _reduce_window,
    "reduce_window_max": _reduce_window,
    "reduce_window_min": _reduce_window,
} | dict.fromkeys(
    ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or"), _reduce
)
