"""Finds where constant units meet the weights of the next layer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcomp.prune.folding import BORDER
from jaxcomp.tracing.known import Known
from jaxcomp.tracing.layout import Stays, one_of_each
from jaxcomp.tracing.moves import Shapes
from jaxcomp.tracing.program import Operation, Program
from jaxcomp.tracing.sums import (
    as_kernel,
    contract,
    convolution_fields,
    is_padded,
    product_letters,
)


class Meeting(NamedTuple):
    """Describes a product of constants that are not zero with weights that are not zero."""

    units: tuple[tuple[tuple[int, ...], float], ...]  # their indices and values
    weights: np.ndarray  # field of the weights: whether they meet a constant
    sums: np.ndarray | None  # field of the result: the sum of constants; None if it differs

    def amount(self) -> np.ndarray:
        """Return the sum that the constants add to the result: a field of it, float64.

        Raises:
          Stays: if that sum is not the same everywhere.
        """
        if self.sums is None:
            raise Stays(BORDER)
        return self.sums


def meeting(
    program: Program, operation: Operation, weights: int, known: Mapping[int, Known]
) -> Meeting | None:
    """Return the effect of constants in a dense layer or a convolution; None if there are none.

    Args:
      program: the network.
      operation: a `dot_general` or a `conv_general_dilated`.
      weights: the position of the argument that follows from parameters alone.
      known: the known values of arrays.
    """
    arguments = [known[array] for array in operation.inputs]
    if arguments[weights].varies.any() or not _constant(arguments[1 - weights]).any():
        return None
    if not all(jnp.issubdtype(argument.value.dtype, jnp.floating) for argument in arguments):
        return None
    shapes = [program.shapes[array].shape for array in operation.inputs]
    if operation.name == "dot_general":
        return _in_product(operation, weights, arguments, shapes)
    return _in_convolution(operation, weights, arguments, shapes)


def _constant(data: Known) -> np.ndarray:
    return ~data.varies & (data.value != 0)


def _in_product(
    operation: Operation, weights: int, arguments: Sequence[Known], shapes: Shapes
) -> Meeting | None:
    letters = product_letters(operation, shapes)
    data, kernel = arguments[1 - weights], arguments[weights]
    own, others = letters[1 - weights], letters[weights]
    shared = [axis for axis, name in enumerate(own) if name in others]
    # Constants count only if they are equal along the axes of the data that the result keeps.
    wanted = [2 if axis in shared else 1 for axis in range(len(own))]
    try:
        value = one_of_each(np.where(data.varies, 0, data.value).astype(np.float64), wanted)
        constant = one_of_each(_constant(data), wanted)
    except Stays:
        return None
    placed = "".join(own[axis] for axis in shared)
    met = constant.astype(np.float32), (kernel.value != 0).astype(np.float32)
    used = np.einsum(f"{own},{others}->{placed}", *met) > 0
    if not used.any():
        return None
    values = np.broadcast_to(value.reshape([value.shape[a] for a in shared]), used.shape)
    units = tuple((tuple(map(int, unit)), float(values[tuple(unit)])) for unit in np.argwhere(used))
    left = right = kernel.value.astype(np.float64)
    left, right = (left, value) if weights == 0 else (value, right)
    # The axes of the constants in the order of the weights.
    order = [placed.index(name) for name in others if name in placed]
    mask = constant.reshape([constant.shape[a] for a in shared]).transpose(order)
    new = tuple(axis for axis, name in enumerate(others) if name not in placed)
    return Meeting(units, np.expand_dims(mask, new), contract(letters, left, right, shapes))


def _in_convolution(
    operation: Operation, weights: int, arguments: Sequence[Known], shapes: Shapes
) -> Meeting | None:
    settings = operation.settings
    if weights == 0 or settings["batch_group_count"] != 1:
        return None
    value, varies, kernel = convolution_fields(operation, arguments, shapes)
    constant = ~varies & (value != 0)  # [groups, in]
    used = (constant[:, None, :, None] & (kernel.value != 0)).any(axis=(1, 3))
    if not used.any():
        return None
    units = tuple(
        ((int(group * value.shape[1] + unit),), float(value[group, unit]))
        for group, unit in np.argwhere(used)
    )
    everywhere = np.broadcast_to(constant[:, None, :, None], kernel.value.shape)
    mask = as_kernel(operation, everywhere, shapes[1])
    if is_padded(settings["padding"], settings["lhs_dilation"]):
        return Meeting(units, mask, None)
    factors = kernel.value.astype(np.float64), np.where(constant, value, 0).astype(np.float64)
    total = np.einsum("goip,gi->go", *factors)
    out = settings["dimension_numbers"].out_spec[1]
    return Meeting(
        units, mask, total.reshape([-1 if a == out else 1 for a in range(len(shapes[0]))])
    )
