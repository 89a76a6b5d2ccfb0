"""Rounds the weights of a network in the order in which the network uses them.

The inputs of a weight come from weights that are rounded already. The weight itself, and the bias
behind it, compensate for the errors of those as well as they can.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxcomp.codec.levels import FewValued
from jaxcomp.compression.arrays import Array, Arrays, Round, Stored, values_of
from jaxcomp.compression.biases import Biases
from jaxcomp.compression.calibration import Calibration, Fidelity
from jaxcomp.compression.layers import Layer
from jaxcomp.compression.passes import groups_of
from jaxcomp.compression.rounding import Problem, curvature_of, damping, round_weights
from jaxcomp.compression.tuning import TrainedPart, tune
from jaxcomp.tracing import Network
from jaxcomp.tracing.moments import Inputs, InputSums
from jaxcomp.tracing.sensitivities import Sensitivities, output_sensitivities

PyTree = Any
# Wider layers use diagonal moments, as if inputs were uncorrelated.
MOST_BYTES = 8 * 2**30
_COPIES = 5  # copies of the moments at a time


class InOrder:
    """Rounds the weights of a network at any price of a bit."""

    def __init__(
        self,
        params: PyTree,
        calibration: Calibration,
        arrays: Arrays,
        round_other: Round,
        *,
        values: int | None = None,
    ) -> None:
        """Set the network.

        Args:
          params: parameters of the network.
          calibration: the network as a function, and its inputs.
          arrays: the same parameters by name: weights, which are rounded if tracing understands
            them, and biases, which may be changed.
          round_other: rounds arrays that are not weights.
          values: as for `round_weights`.
        """
        self.network: Network = calibration.trace(params)
        self._before = [np.asarray(leaf) for leaf in self.network.leaves_of(params)]
        self._params = params
        self._fidelity = Fidelity(calibration, params)
        self._entries = {entry.name: entry for entry in (*arrays.weights, *arrays.biases)}
        self._trained = frozenset(entry.name for entry in arrays.biases)  # used by `tuned` only
        self._inputs = [inputs for inputs, _ in calibration.fitted]
        self._round_other, self._values = round_other, values
        self._calibration = calibration
        self._sensitivities = sensitivities_of(self.network, params, calibration)
        self._layers = layers_of(self.network)
        order = [self.network.names.index(name) for name in self.network.weights]
        wanted = {entry.name for entry in arrays.weights}
        if not self._entries.keys() <= set(self.network.names):
            raise ValueError(
                "the parameters of a calibrated network are a dict of arrays: give one, such as "
                "`jaxcomp.trees.named_leaves(params)`"
            )
        order = [
            leaf
            for leaf in order
            if self.network.names[leaf] in wanted
            and (leaf in self._sensitivities.products or leaf in self._sensitivities.lookups)
        ]
        self.rounded = frozenset(self.network.names[leaf] for leaf in order)
        too_wide = {leaf for leaf in order if not _fits(self._layers[leaf])}
        self.diagonal = tuple(self.network.names[leaf] for leaf in order if leaf in too_wide)
        self._groups: list[tuple[list[int], InputSums]] = []
        for together in groups_of(self.network, params, self._inputs[0], order):
            for diagonal in (False, True):
                group = [leaf for leaf in together if (leaf in too_wide) == diagonal]
                if group:
                    sums = InputSums(self.network, group, diagonal=diagonal)
                    self._groups.append((group, sums))
        self._biases = Biases(self.network, self._before, frozenset(self._entries))

    def at(self, trade: float) -> tuple[Stored, float]:
        """Return the stored form of arrays at this price of a bit, and the measured loss.

        Args:
          trade: the price of a bit, in units of the loss.
        """
        now = list(self._before)
        stored: dict[str, Array] = {}
        for leaf, name in enumerate(self.network.names):
            if name in self._entries and name not in self.rounded:
                self._take(now, stored, leaf, now[leaf])
        for group, sums_of in self._groups:
            sums = sums_of(self._tree(now), self._inputs, self._params)
            for leaf in group:
                inputs = sums[leaf].mean() if leaf in sums else None
                self._round(now, stored, leaf, inputs, trade)
        return stored, self._fidelity(self._tree(now))

    def lost(self, stored: Stored) -> float:
        """Return the measured loss with other arrays, by name."""
        return self._fidelity(
            self._assembled({name: values_of(one) for name, one in stored.items()})
        )

    def tuned(self, stored: Stored, steps: int) -> tuple[Stored, float]:
        """Return the same levels with trained codebooks and biases, and the loss.

        Args:
          stored: as `at` returns it.
          steps: number of training steps.
        """
        others = {
            name: values_of(stored.get(name, before))
            for name, before in zip(self.network.names, self._before, strict=True)
            if name in self._trained
        }
        few = ((name, stored[name]) for name in self.rounded)
        weights = {name: one for name, one in few if isinstance(one, FewValued)}
        rounded = TrainedPart(weights, others)
        found = tune(self._calibration, self._params, rounded, self._assembled, steps)
        new = {**stored, **found.weights}
        for name, array in found.others.items():
            new[name] = self._round_other(self._entries[name], array)
        return new, self.lost(new)

    def _assembled(self, arrays: Mapping[str, Any]) -> PyTree:
        return self._tree(
            [
                arrays.get(name, before)
                for name, before in zip(self.network.names, self._before, strict=True)
            ]
        )

    def _round(
        self,
        now: list[np.ndarray],
        stored: dict[str, Array],
        leaf: int,
        inputs: Inputs | None,
        trade: float,
    ) -> None:
        layer, before = self._layers[leaf], self._before[leaf]
        w = layer.matrices(before.astype(np.float64))
        lookups, products = self._sensitivities.lookups.get(leaf), None
        second = change = None
        corrects = inputs is not None and self._biases.can_take(leaf)
        if inputs is not None:
            second, cross = inputs.second, inputs.cross
            products = self._sensitivities.products[leaf]
            if corrects:  # the bias compensates for what all examples share
                second = second - _products(inputs.first, inputs.first, second)
                cross = cross - _products(inputs.first, inputs.first_before, cross)
            change = cross - second
        curvature = curvature_of(second, products, lookups)
        whole = (
            curvature.second
            if inputs is None
            else curvature_of(inputs.second, products, lookups).second
        )
        stable = curvature._replace(second=curvature.second + damping(whole))
        wanted = w
        if change is not None:
            wanted = w + curvature.of_products * _solved(stable.second, change, w)
        rounded = round_weights(
            Problem(wanted, w == 0, layer, stable, trade, before.dtype), self._values
        )
        now[leaf] = rounded.values()
        stored[self.network.names[leaf]] = rounded
        if inputs is not None and corrects:
            after = layer.matrices(now[leaf].astype(np.float64))
            means = np.einsum("mi,mio->mo", inputs.first_before, w)
            means -= np.einsum("mi,mio->mo", inputs.first, after)
            for bias, changed in self._biases.changed(leaf, means, now).items():
                self._take(now, stored, bias, changed)

    def _take(
        self, now: list[np.ndarray], stored: dict[str, Array], leaf: int, array: np.ndarray
    ) -> None:
        """Use the stored form of an array that does not hold weights."""
        name = self.network.names[leaf]
        one = self._round_other(self._entries[name], array)
        now[leaf] = values_of(one)
        if now[leaf] is not self._before[leaf]:
            stored[name] = one

    def _tree(self, leaves: Sequence[Any]) -> PyTree:
        return self.network.structure.unflatten(leaves)


def _fits(layer: Layer) -> bool:
    matrices, inputs, _ = layer.sizes()
    return _COPIES * 8 * matrices * inputs**2 <= MOST_BYTES


def _products(one: np.ndarray, other: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return all products of entries of [matrices, inputs], or of each entry with itself."""
    return one * other if like.ndim == 2 else one[:, :, None] * other[:, None]


def _solved(second: np.ndarray, change: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return `second^-1 change w` of matrices, or of diagonals."""
    if second.ndim == 2:
        return (change / second)[:, :, None] * w
    return np.linalg.solve(second, change @ w)


def sensitivities_of(network: Network, params: PyTree, calibration: Calibration) -> Sensitivities:
    """Return the sensitivities of the outputs of all weights."""
    key = jax.random.key(calibration.seed)
    return output_sensitivities(network, params, calibration.fitted, calibration.loss, key)


def layers_of(network: Network) -> dict[int, Layer]:
    """Return the layers of all weights, by position in tree order."""
    layers = {}
    for name in network.weights:
        one = network.parameters[name]
        assert one.axes is not None
        known = (one.shape, one.axes.outputs, one.axes.stack, one.groups)
        layers[network.names.index(name)] = Layer(*known)
    return layers
