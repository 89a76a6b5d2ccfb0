"""Finds arrays whose entries sum to one along an axis, as those of a softmax do.

An average of equal entries is the same entry again: a constant passes through attention.
"""

from collections.abc import Mapping

from jaxcomp.tracing.primitives import reshape_groups
from jaxcomp.tracing.program import Operation, Program

_SAME = ("convert_element_type", "copy", "stop_gradient")


def averages(program: Program) -> dict[int, int]:
    """Return the arrays `x / sum(x)` in any layout, with the axis along which each sums to one."""
    made_by = {array: op for op in program.operations for array in op.outputs}
    found: dict[int, int] = {}
    for operation in program.operations:
        if operation.name == "div":
            axis = _summed_axis(program, made_by, *operation.inputs)
        elif operation.inputs and operation.inputs[0] in found:
            axis = _after(program, operation, found[operation.inputs[0]])
        else:
            axis = None
        if axis is not None:
            found[operation.outputs[0]] = axis
    return found


def averaged_axis(operation: Operation, place: int, found: Mapping[int, int]) -> int | None:
    """Return the axis along which a `dot_general` averages an argument, or None if it does not.

    Args:
      operation: the product.
      place: which of its arguments may be averaged.
      found: what `averages` returned.
    """
    contracted, _ = operation.settings["dimension_numbers"]
    if list(contracted[1 - place]) != [found.get(operation.inputs[1 - place])]:
        return None
    return contracted[place][0]


def _after(program: Program, operation: Operation, axis: int) -> int | None:
    """Return the axis after a change of layout."""
    name, settings = operation.name, operation.settings
    if name in _SAME:
        return axis
    if name == "transpose":
        return settings["permutation"].index(axis)
    before = program.shapes[operation.inputs[0]].shape
    after = program.shapes[operation.outputs[0]].shape
    if name == "broadcast_in_dim":
        target = settings["broadcast_dimensions"][axis]
        return target if after[target] == before[axis] else None
    if name in ("reshape", "squeeze"):
        return _single(before, after).get(axis)
    return None


def _single(before: tuple[int, ...], after: tuple[int, ...]) -> dict[int, int]:
    """Return the axes that a reshape keeps, and where they are after it."""
    groups = reshape_groups(before, after)
    return {left[0]: right[0] for left, right in groups if len(left) == len(right) == 1}


def _summed_axis(
    program: Program, made_by: dict[int, Operation], top: int, bottom: int
) -> int | None:
    """Return the axis whose sum over `top` gives `bottom`, which has one entry along it."""
    whole = program.shapes[top].shape
    if len(program.shapes[bottom].shape) != len(whole):
        return None
    # This has, for each axis of the array on the way back, the axis of the quotient along it.
    along: list[int | None] = list(range(len(whole)))
    array = bottom
    while (operation := made_by.get(array)) is not None and operation.name != "reduce_sum":
        array = operation.inputs[0]
        before, after = program.shapes[array].shape, program.shapes[operation.outputs[0]].shape
        if operation.name == "broadcast_in_dim":
            along = [along[target] for target in operation.settings["broadcast_dimensions"]]
        elif operation.name in ("reshape", "squeeze"):
            single = _single(before, after)
            along = [along[single[a]] if a in single else None for a in range(len(before))]
        elif operation.name not in _SAME:
            return None
    if operation is None or len(operation.settings["axes"]) != 1:
        return None
    (axis,) = operation.settings["axes"]
    summed = operation.inputs[0]
    while summed != top and (maker := made_by.get(summed)) and maker.name in _SAME:
        summed = maker.inputs[0]
    others = [a for a in range(len(whole)) if a != axis]
    fits = all(own == a or whole[a] == 1 for own, a in zip(along, others, strict=True))
    return axis if summed == top and fits else None
