"""Where constant units meet the weights of the next layer."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from jaxcomp.tracing.constants import (
    Known,
    contract,
    convolution_fields,
    is_padded,
    product_letters,
)
from jaxcomp.tracing.layout import Stays, one_of_each
from jaxcomp.tracing.needed import as_kernel
from jaxcomp.tracing.program import Operation, Program


class Meeting(NamedTuple):
    """A product of constants that are not zero with weights that are not."""

    units: tuple[tuple[tuple[int, ...], float], ...]  # their indices and values
    weights: np.ndarray  # field of the weights: which of them meet a constant
    sums: np.ndarray | None  # field of the result: what the constants add; None if it differs
    reason: str  # why it differs

    def amount(self) -> np.ndarray:
        """What the constants add to the result: a field of it, float64.

        Raises:
          Stays: if that is not the same everywhere.
        """
        if self.sums is None:
            raise Stays(self.reason)
        return self.sums


def meeting(
    program: Program, operation: Operation, weights: int, known: Mapping[int, Known]
) -> Meeting | None:
    """Return what constants do in a dense layer or a convolution; None if there are none.

    Args:
      program: the network.
      operation: a `dot_general` or a `conv_general_dilated`.
      weights: which of its arguments follows from parameters alone.
      known: what is known of the arrays.
    """
    arguments = [known[array] for array in operation.inputs]
    data = arguments[1 - weights]
    if arguments[weights].varies.any() or not (~data.varies & (data.value != 0)).any():
        return None
    shapes = [program.shapes[array].shape for array in operation.inputs]
    if operation.name == "dot_general":
        return _in_product(operation, weights, arguments, shapes)
    return _in_convolution(operation, weights, arguments, shapes)


def _in_product(operation, weights, arguments, shapes) -> Meeting | None:
    letters = product_letters(operation, shapes)
    names, result = letters[:2], letters[2]
    data, kernel = arguments[1 - weights], arguments[weights]
    own, others = names[1 - weights], names[weights]
    shared = [axis for axis, name in enumerate(own) if name in others]
    value = np.where(data.varies, 0, data.value).astype(np.float64)
    constant = ~data.varies & (data.value != 0)
    # Only constants that are the same along the axes that the result keeps of the data.
    wanted = [2 if axis in shared else 1 for axis in range(value.ndim)]
    try:
        value, constant = (one_of_each(field, wanted) for field in (value, constant))
    except Stays:
        return None
    placed = "".join(own[axis] for axis in shared)
    used = (
        np.einsum(
            f"{own},{others}->{placed}",
            constant.astype(np.float32),
            (kernel.value != 0).astype(np.float32),
        )
        > 0
    )
    if not used.any():
        return None
    values = np.broadcast_to(value.reshape([value.shape[a] for a in shared]), used.shape)
    units = tuple((tuple(map(int, unit)), float(values[tuple(unit)])) for unit in np.argwhere(used))
    factors = [kernel.value, kernel.value]
    factors[1 - weights] = value
    sums = contract(letters, *factors, shapes, np.float64)
    order = [placed.index(name) for name in others if name in placed]
    mask = constant.reshape([constant.shape[a] for a in shared]).transpose(order)
    mask = mask.reshape(
        [
            mask.shape[[n for n in others if n in placed].index(name)] if name in placed else 1
            for name in others
        ]
    )
    return Meeting(units, mask, sums, "")


def _in_convolution(operation, weights, arguments, shapes) -> Meeting | None:
    settings = operation.settings
    if weights == 0 or settings["batch_group_count"] != 1:
        return None
    value, varies, kernel = convolution_fields(operation, arguments, shapes)
    constant = ~varies & (value != 0)  # [groups, in]
    meets = constant[:, None, :, None] & (kernel.value != 0)  # [groups, out, in, places]
    used = meets.any(axis=(1, 3))
    if not used.any():
        return None
    units = tuple(
        ((int(group * value.shape[1] + unit),), float(value[group, unit]))
        for group, unit in np.argwhere(used)
    )
    mask = as_kernel(
        operation, np.broadcast_to(constant[:, None, :, None], kernel.value.shape), shapes[1]
    )
    if is_padded(settings["padding"], settings["lhs_dilation"]):
        why = "zero padding makes the next layer see it end at the border"
        return Meeting(units, mask, None, why)
    total = np.einsum(
        "goip,gi->go",
        kernel.value.astype(np.float64),
        np.where(constant, value, 0).astype(np.float64),
    )
    out = settings["dimension_numbers"].out_spec[1]
    rank = len(shapes[0])
    return Meeting(units, mask, total.reshape([-1 if a == out else 1 for a in range(rank)]), "")
