"""Groups the weights that are rounded between two passes over the examples."""

from collections.abc import Sequence
from typing import Any

from jaxcomp.tracing import Network
from jaxcomp.tracing.moments import program_of
from jaxcomp.tracing.rows import rows_of

_MOST_PASSES = 32  # the weights of deeper networks share passes


def groups_of(
    network: Network, params: Any, inputs: tuple[Any, ...], order: Sequence[int]
) -> list[list[int]]:
    """Return weights in groups, so that no weight takes inputs that depend on others of its group.

    In a long network, some weights of a group do depend on each other.

    Args:
      network: the traced network.
      params: its parameters.
      inputs: an example of its other inputs.
      order: the weights, by position in tree order, as the network uses them.
    """
    before = _weights_before(network, params, inputs, order)
    groups: list[list[int]] = []
    for leaf in order:
        if groups and before[leaf].isdisjoint(groups[-1]):
            groups[-1].append(leaf)
        else:
            groups.append([leaf])
    size = max(1, -(-len(groups) // _MOST_PASSES))
    shared = [groups[start : start + size] for start in range(0, len(groups), size)]
    return [[leaf for group in some for leaf in group] for some in shared]


def _weights_before(
    network: Network, params: Any, inputs: tuple[Any, ...], order: Sequence[int]
) -> dict[int, set[int]]:
    """Return the parameters that the inputs of each weight depend on, and the weight itself."""
    program = program_of(network, params, inputs)
    meetings = rows_of(network, program, frozenset(order))
    # Whole numbers serve as sets of bits: programs with every step of their loops are long.
    parts = {array: 1 << leaf for leaf, array in enumerate(program.parameters)}
    found = dict.fromkeys(order, 0)
    for operation in program.operations:
        own = 0
        for array in operation.inputs:
            own |= parts.get(array, 0)
        for rows in meetings.get(operation.outputs, ()):
            found[rows.leaf] |= own
        parts.update(dict.fromkeys(operation.outputs, own))
    return {
        leaf: {other for other in range(len(network.names)) if bits >> other & 1}
        for leaf, bits in found.items()
    }
