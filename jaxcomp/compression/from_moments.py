"""Rounds weights by moments of their inputs from a file, without the network.

The loss is predicted: it is the sum of the errors of all products, weighted by their sensitivities.
"""

import numpy as np

from jaxcomp.checkpoints import Entry
from jaxcomp.compression.arrays import Array, Arrays, Round, Stored, values_of
from jaxcomp.compression.moments_file import Known, Moments
from jaxcomp.compression.rounding import Curvature, Problem, damping, round_weights


class FromMoments:
    """Rounds the weights of a checkpoint at any price of a bit; see `in_order.InOrder`."""

    def __init__(
        self,
        arrays: Arrays,
        moments: Moments,
        round_other: Round,
        units_on: int | None,
        *,
        values: int | None = None,
    ) -> None:
        """Set a checkpoint and its moments; `values` is as for `round_weights`."""
        self._arrays, self._round_other = arrays, round_other
        weights = {entry.name: entry for entry in arrays.weights}
        self._all = {entry.name for entry in arrays.checkpoint.entries}
        unknown = [name for name in moments.names if name not in self._all]
        if unknown:
            raise ValueError(
                f"there are moments of {unknown[0]!r}, and the checkpoint has no such array, it "
                f"has the weights {', '.join(map(repr, weights)) or 'none'}"
            )
        self._biases = {entry.name: entry for entry in arrays.biases}
        # Other weights are excluded by the user, or are no weights by name and shape.
        self._weights = [weights[name] for name in moments.names if name in weights]
        self.rounded = frozenset(entry.name for entry in self._weights)
        self._moments, self._units_on, self._values = moments, units_on, values
        # Mistakes are reported before anything is rounded.
        self.diagonal = tuple(
            entry.name for entry in self._weights if self._known(entry).second.ndim == 2
        )

    def at(self, trade: float) -> tuple[Stored, float]:
        """Return the stored form of all arrays that change, and the predicted loss."""
        stored: dict[str, Array] = {}
        biases = {name: self._load(entry) for name, entry in self._biases.items()}
        lost = 0.0
        for entry in self._weights:
            known = self._known(entry)
            before = self._load(entry)
            w = known.layer.matrices(before.astype(np.float64))
            curvature = Curvature(self._centered(known), known.sensitivities)
            stable = curvature._replace(second=curvature.second + damping(known.second))
            try:
                problem = Problem(w, w == 0, known.layer, stable, trade, before.dtype)
                rounded = round_weights(problem, self._values)
            except np.linalg.LinAlgError as error:
                raise ValueError(
                    f"the moments of {entry.name!r} are those of no inputs: a direction has a "
                    "negative mean square; is the mean that of the same rows?"
                ) from error
            stored[entry.name] = rounded
            errors = w - known.layer.matrices(rounded.values().astype(np.float64))
            lost += curvature.loss(errors)
            if known.bias is not None and known.mean is not None:
                means = np.einsum("mi,mio->mo", known.mean, errors)
                bias = biases[known.bias]
                biases[known.bias] = (bias + means.reshape(bias.shape)).astype(bias.dtype)
        for name, array in biases.items():
            stored[name] = self._round_other(self._biases[name], array)
        return stored, lost

    def lost(self, stored: Stored) -> float:
        """Return the predicted loss of other arrays, by name."""
        total = 0.0
        for entry in self._weights:
            known = self._known(entry)
            before, after = self._load(entry), values_of(stored[entry.name])
            errors = known.layer.matrices(before.astype(np.float64) - after.astype(np.float64))
            total += Curvature(known.second, known.sensitivities).loss(errors)
        return total

    def _known(self, entry: Entry) -> Known:
        known = self._moments.of(entry, self._arrays.checkpoint.metadata, self._units_on)
        if known.bias in self._all and known.bias not in self._biases:
            known = known._replace(bias=None)  # the bias must not be changed
        if known.bias is not None:
            matrices, _, outputs = known.layer.sizes()
            size = matrices * outputs
            bias = self._biases.get(known.bias)
            if bias is None or bias.elements != size:
                raise ValueError(
                    f"the moments of {entry.name!r} name {known.bias!r} as its bias, and there is "
                    f"no such array of {size} numbers that is not a weight"
                )
        return known

    def _centered(self, known: Known) -> np.ndarray:
        """Return the moments that remain where a bias compensates for the means."""
        if known.bias is None or known.mean is None:
            return known.second
        if known.second.ndim == 2:
            return np.maximum(known.second - known.mean**2, 0)
        return known.second - known.mean[:, :, None] * known.mean[:, None]

    def _load(self, entry: Entry) -> np.ndarray:
        return self._arrays.checkpoint.load(entry)
