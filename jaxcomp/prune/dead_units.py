"""Removes units that cannot matter: the network computes the same function with more zeros.

A unit *emits a constant* if every weight into it from a unit that is not constant is zero; the
constant is folded into the next bias. A unit *has no influence* if every weight out of it is zero.
Pruned networks have many of both. A *bias* is not needed where only pooling stands between it and
the next layer: it is folded into that layer's bias. Arrays keep their shapes; what is removed
becomes exact zeros.

All of this is read off the traced program of the network (`jaxcomp.trace`), whatever its layers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.prune.folding import Change, Folding
from jaxcomp.prune.meeting import meeting
from jaxcomp.tracing import Network
from jaxcomp.tracing.constants import constants_of
from jaxcomp.tracing.finite import first_not_finite, guards
from jaxcomp.tracing.known import Known, unknown
from jaxcomp.tracing.layout import Stays
from jaxcomp.tracing.needed import needed_of
from jaxcomp.tracing.program import Operation

PyTree = Any
_MAX_ROUNDS = 100


class DeadUnits(NamedTuple):
    """Holds a network without its dead units, and reports what was removed."""

    params: PyTree  # NumPy arrays
    nonzeros_before: int  # of all parameters
    nonzeros_after: int
    refused: tuple[str, ...]  # units that had to stay, each with the reason


def remove_dead_units(params: PyTree, network: Network) -> DeadUnits:
    """Zero every weight and bias that the outputs of the network do not need.

    A constant is folded where only sums, products with known factors, dense layers, convolutions
    without padding, and pooling lie between it and the next bias (or running mean). Where it cannot
    be folded, the unit stays and the report says why.

    Args:
      params: tree of arrays, as given to `jaxcomp.trace`. Running statistics count as parameters if
        they are part of it. Leaves without a floating-point type are left alone.
      network: the result of `jaxcomp.trace(apply, params, ...)` for the network as it is evaluated.
        All of its outputs count.

    Returns:
      Parameters with the same structure, shapes and types, and a report. The outputs of the network
      stay the same up to rounding: only sums of biases are computed anew, in float64. This assumes
      that all values stay finite, so that zero times an input is zero.

    Raises:
      ValueError: if `params` are not those that were traced; the message names the leaf.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxcomp
      >>> params = {"in": jnp.array([[2.0, 0.0]]), "b": jnp.array([[0.0, 3.0]]),
      ...           "out": jnp.array([[1.0], [4.0]]), "c": jnp.array([[1.0]])}
      >>> def apply(p, x):
      ...     return jnp.maximum(x @ p["in"] + p["b"], 0) @ p["out"] + p["c"]
      >>> network = jaxcomp.trace(apply, params, jnp.ones((1, 1)))
      >>> small = remove_dead_units(params, network).params  # the second unit always is 3
      >>> small["out"].tolist(), small["b"].tolist(), small["c"].tolist()
      ([[1.0], [0.0]], [[0.0, 0.0]], [[13.0]])
    """
    leaves = [leaf if _is_key(leaf) else np.array(leaf) for leaf in network.leaves_of(params)]
    work = _Removal(network, leaves)
    before = work.nonzeros()
    for _ in range(_MAX_ROUNDS):
        last = list(work.leaves)
        work.fold_biases()
        work.fold_constants()
        work.drop()
        if all(_same(one, other) for one, other in zip(last, work.leaves, strict=True)):
            break
    result = network.structure.unflatten(work.leaves)
    return DeadUnits(result, before, work.nonzeros(), tuple(work.refused))


class _Removal:
    """Holds the parameters in tree order while they change."""

    def __init__(self, network: Network, leaves: list[Any]) -> None:
        self.network, self.program = network, network.program
        self.leaves = leaves
        self.folding = Folding(network.program)
        self.refused: dict[str, None] = {}

    def nonzeros(self) -> int:
        return sum(int(np.count_nonzero(leaf)) for leaf in self.leaves if not _is_key(leaf))

    def known(self) -> dict[int, Known]:
        return constants_of(self.program, self.leaves)

    def fold_biases(self) -> None:
        """Fold biases into later ones where that adds no non-zeros."""
        known = self.known()
        for operation in self.program.operations:
            if operation.name not in ("add", "sub"):
                continue
            if operation.outputs[0] in self.folding.sources.without_data:
                continue
            for place, array in enumerate(operation.inputs):
                if array in self.folding.sources.without_data:
                    self._fold_bias(operation, place, known)

    def _fold_bias(self, operation: Operation, place: int, known: dict[int, Known]) -> None:
        try:
            source = self.folding.source(operation.inputs[place])
            amount = source.of_leaf(self.leaves[source.leaf].astype(np.float64))
            if operation.name == "sub" and place == 1:
                amount = -amount
            changes, passed = self.folding.change_for(operation.outputs[0], amount, known)
            folded = source.to_leaf(np.ones_like(amount, dtype=bool))
            after = self._after(changes)
        except Stays:
            return  # most biases stay where they are
        if amount.any() and source.leaf not in after:
            after[source.leaf] = _zeroed(self.leaves[source.leaf], folded)
            if self._more(after) <= 0:
                self._take(after, passed, known)

    def fold_constants(self) -> None:
        """Fold the output of constant units into the next layer, and zero the weights it meets."""
        known = self.known()
        self.refused.clear()
        for operation in self.program.operations:
            if operation.name not in ("dot_general", "conv_general_dilated"):
                continue
            free = [array in self.folding.sources.without_data for array in operation.inputs]
            if sum(free) == 1:
                self._fold_into(operation, free.index(True), known)

    def _fold_into(self, operation: Operation, weights: int, known: dict[int, Known]) -> None:
        met = meeting(self.program, operation, weights, known)
        if met is None:
            return
        name = "a layer"
        try:
            source = self.folding.source(operation.inputs[weights])
            name = repr(self.network.names[source.leaf])
            mask = source.to_leaf(met.weights)
            changes, passed = self.folding.change_for(operation.outputs[0], met.amount(), known)
            after = self._after(changes)
            weights_left = after.get(source.leaf, self.leaves[source.leaf])
            after[source.leaf] = _zeroed(weights_left, mask)
            if self._more(after) > 0:
                raise Stays("biases without it would have more non-zeros than weights go")
        except Stays as reason:
            for unit, value in met.units:
                where = " ".join(map(str, unit))
                self.refused[f"input {where} of {name} always is {value:.6g}: {reason}"] = None
            return
        self._take(after, passed, known)

    def drop(self) -> None:
        """Zero what no output depends on, except what keeps other values finite."""
        known, also = self.known(), guards(self.program)
        before = list(self.leaves)
        while True:
            needs = needed_of(self.program, known, also)
            self.leaves = [
                _zeroed(leaf, ~need) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
                for leaf, need in zip(before, needs, strict=True)
            ]
            bad = first_not_finite(self.program, known, self.known())
            if bad is None:
                return
            also.append(bad)

    def _after(self, changes: Sequence[Change]) -> dict[int, np.ndarray]:
        """Return the parameters with these changes, by their positions.

        Raises:
          Stays: if a parameter gets too large for its type.
        """
        after: dict[int, np.ndarray] = {}
        for leaf, amount in changes:
            after[leaf] = after.get(leaf, self.leaves[leaf].astype(np.float64)) + amount
        for leaf, array in after.items():
            with np.errstate(over="ignore"):
                after[leaf] = array.astype(self.leaves[leaf].dtype)
            if (np.isfinite(array) & ~np.isfinite(after[leaf])).any():
                raise Stays(f"the bias would be too large for {after[leaf].dtype}")
        return after

    def _more(self, after: Mapping[int, np.ndarray]) -> int:
        """Return how many non-zeros the parameters would gain."""
        return sum(
            int(np.count_nonzero(array)) - int(np.count_nonzero(self.leaves[leaf]))
            for leaf, array in after.items()
        )

    def _take(
        self, after: Mapping[int, np.ndarray], passed: Sequence[int], known: dict[int, Known]
    ) -> None:
        """Replace parameters; the arrays before them become known again in the next round."""
        for leaf, array in after.items():
            self.leaves[leaf] = array
        for array in passed:
            known[array] = unknown(self.program.shapes[array])


def _is_key(leaf: Any) -> bool:
    """Return whether a leaf holds random keys, which have no values."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.extended)


def _same(one: Any, other: Any) -> bool:
    return one is other or one.tobytes() == other.tobytes()


def _zeroed(array: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.where(where, np.zeros((), array.dtype), array)
