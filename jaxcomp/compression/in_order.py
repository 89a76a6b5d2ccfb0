"""The weights of a network, rounded in the order in which it uses them.

The inputs of each weight are those behind what was rounded before, and what the earlier ones did to
them is made up for as well as it can be: by the weight itself, and by the bias behind it.
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
# Moments of wider layers are diagonals: of inputs that do not know of each other.
MOST_BYTES = 8 * 2**30
_COPIES = 5  # of the moments, at once


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
        """Take a network.

        Args:
          params: its parameters.
          calibration: how it is run, and on what.
          arrays: the same by name: weights, which are rounded if they are understood, and biases,
            which may be changed.
          round_other: rounds arrays that are not weights.
          values: as `round_weights`.
        """
        self.network: Network = calibration.trace(params)
        self._before = [np.asarray(leaf) for leaf in self.network.leaves_of(params)]
        self._params = params
        self._fidelity = Fidelity(calibration, params)
        self._entries = {entry.name: entry for entry in (*arrays.weights, *arrays.biases)}
        self._trained = frozenset(entry.name for entry in arrays.biases)  # where that is asked for
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
        """Return what is stored of arrays at this price of a bit, and the loss that is measured.

        Args:
          trade: the price, in units of the loss.
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
        """Return the loss that is measured with other arrays, by name."""
        return self._fidelity(
            self._assembled({name: values_of(one) for name, one in stored.items()})
        )

    def tuned(self, stored: Stored, steps: int) -> tuple[Stored, float]:
        """Return the same levels with codebooks and biases that were trained, and the loss.

        Args:
          stored: as of `at`.
          steps: of training.
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
            if corrects:  # what is the same for all examples is the business of a bias
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
        """Take an array that is not of weights for what is stored of it."""
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
    """Return all products of entries of [matrices, inputs], or those of the same input."""
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
