"""Adjusts biases, so that they compensate for what rounding does to the means of outputs."""

from collections.abc import Sequence

import numpy as np

from jaxcomp.prune.folding import Change, Folding
from jaxcomp.tracing import Network
from jaxcomp.tracing.constants import constants_of
from jaxcomp.tracing.layout import Stays
from jaxcomp.tracing.rows import Rows, rows_of


class Biases:
    """Says which weights have a bias behind them, and how it makes up for their loss."""

    def __init__(
        self, network: Network, leaves: Sequence[np.ndarray], changeable: frozenset[str]
    ) -> None:
        """Set a network, its parameters, and the names of those that may be changed."""
        self._changeable = {network.names.index(name) for name in changeable}
        self._folding = Folding(network.program)
        self._known = constants_of(network.program, leaves)
        self._rows: dict[int, list[Rows]] = {}
        for meetings in rows_of(network, network.program).values():
            for rows in meetings:
                self._rows.setdefault(rows.leaf, []).append(rows)
        self._able = {leaf for leaf in self._rows if self._has_bias(leaf)}

    def can_take(self, leaf: int) -> bool:
        """Tell whether all outputs of a weight have a bias that can take a constant."""
        return leaf in self._able

    def only(self, leaf: int) -> int | None:
        """Return the bias to which each constant of the outputs can be added unchanged, or None."""
        rows = self._rows.get(leaf)
        if rows is None or leaf not in self._able:
            return None
        size = (rows[0].matrices, rows[0].outputs)
        means = np.arange(1.0, 1 + size[0] * size[1]).reshape(size)
        changes = self._changes(leaf, means)
        taker = changes[0].leaf
        total = np.asarray(sum(change.amount for change in changes))
        same = all(change.leaf == taker for change in changes) and total.size == means.size
        return taker if same and np.array_equal(total.ravel(), means.ravel()) else None

    def changed(
        self, leaf: int, means: np.ndarray, leaves: Sequence[np.ndarray]
    ) -> dict[int, np.ndarray]:
        """Return new biases, by position, for outputs that became smaller by `means`.

        Args:
          leaf: position of the weight.
          means: [matrices, outputs].
          leaves: the current parameters.
        """
        after: dict[int, np.ndarray] = {}
        for bias, amount in self._changes(leaf, means):
            after[bias] = after.get(bias, leaves[bias].astype(np.float64)) + amount
        return {bias: array.astype(leaves[bias].dtype) for bias, array in after.items()}

    def _has_bias(self, leaf: int) -> bool:
        rows = self._rows[leaf]
        met = np.concatenate([one.matrix for one in rows])
        if len(np.unique(met)) < len(met):
            return False  # it is used twice, with two means
        size = (rows[0].matrices, rows[0].outputs)
        try:
            changes = self._changes(leaf, np.random.default_rng(0).normal(size=size))
        except Stays:
            return False
        return bool(changes) and all(
            change.leaf in self._changeable and np.isfinite(change.amount).all()
            for change in changes
        )

    def _changes(self, leaf: int, means: np.ndarray) -> list[Change]:
        changes: list[Change] = []
        for rows in self._rows[leaf]:
            amount = rows.field(means[rows.matrix[:, None], rows.outs_at])
            array = rows.operation.outputs[0]
            changes += self._folding.change_for(array, amount, self._known)[0]
        return changes
