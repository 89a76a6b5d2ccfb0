"""Finds parameters that keep values finite: they must not become zero.

A value that is multiplied by zero may be anything except NaN and infinity. A parameter that is not
needed becomes zero. So it must stay if it is a divisor, or keeps a divisor away from zero.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from jaxcomp.tracing.known import Known
from jaxcomp.tracing.layout import LAYOUT
from jaxcomp.tracing.primitives import ELEMENTWISE
from jaxcomp.tracing.program import Operation, Program

# These operations are not finite if this argument is zero.
_SINGULAR = {"div": 1, "log": 0, "rsqrt": 0, "pow": 0, "digamma": 0, "lgamma": 0}
# These sums and limits can keep an argument away from zero.
_BOUNDS = ("add", "add_any", "sub", "max", "clamp")


def guards(program: Program) -> list[int]:
    """Return arrays of parameters that are added to a divisor, or limit or multiply it.

    The divisor, or argument of a logarithm, follows from data. Only elementwise operations lie
    between it and the parameters: results of sums and layers are assumed not to be near zero.
    """
    made_by = {array: op for op in program.operations for array in op.outputs}
    without_data = program.without_data()
    found: dict[int, None] = {}
    ahead = [
        operation.inputs[_SINGULAR.get(operation.name, 0)]
        for operation in program.operations
        if operation.name in _SINGULAR or _is_inverse(operation)
    ]
    seen: set[int] = set()
    while ahead:
        array = ahead.pop()
        operation = made_by.get(array)
        if array in seen or array in without_data or operation is None:
            continue
        seen.add(array)
        if operation.name not in ELEMENTWISE and operation.name not in LAYOUT:
            continue
        free = [other for other in operation.inputs if other in without_data]
        found.update(dict.fromkeys(free))
        if not (free and operation.name in _BOUNDS):
            ahead += operation.inputs
    return list(found)


def first_not_finite(
    program: Program, before: Mapping[int, Known], after: Mapping[int, Known]
) -> int | None:
    """Return the first array that becomes infinite or makes others so, and did not before."""
    for operation in program.operations:
        if operation.name == "div":
            divisor = operation.inputs[1]
            if _floats(after[divisor]) and (after[divisor].zero & ~before[divisor].zero).any():
                return divisor
        for array in operation.outputs:
            if _floats(after[array]):
                lost = ~np.isfinite(after[array].value) & np.isfinite(before[array].value)
                if lost.any():
                    return array
    return None


def _is_inverse(operation: Operation) -> bool:
    return operation.name == "integer_pow" and operation.settings["y"] < 0


def _floats(known: Known) -> bool:
    return jnp.issubdtype(known.value.dtype, jnp.inexact)
