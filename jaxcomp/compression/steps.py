r"""Derives steps from the price of a bit.

At small steps :math:`\Delta`, rounding a weight with a curvature `h` of the loss costs
:math:`h \Delta^2 / 12`, and halving the step costs one bit. So
:math:`\Delta^2 = 6 \lambda / (h \ln 2)` is best at a price :math:`\lambda`. Weights have different
curvatures, and a file has one step for all of them or one for each slice of an array.
"""

import math
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from jaxcomp.codec.grid import MAX_LEVEL

_NOTHING = 1e-9  # share of the largest curvature below which inputs meet no data
_LEAST_SPREAD = 0.25  # octaves between slices below which they share a step
_SIGNIFICANT = 6  # bits of a step; its other bits are zeros, which take nothing


class Steps:
    """Computes steps of one array that are good at a price of a bit.

    The curvature of a weight is the product of one number for its input and one for its output.
    """

    def __init__(
        self, inputs: np.ndarray, outputs: np.ndarray, top: float, trade: float, dtype: np.dtype
    ) -> None:
        r"""Set curvatures and price.

        Args:
          inputs: [matrices, inputs].
          outputs: [matrices, outputs], positive.
          top: the largest magnitude of a weight.
          trade: :math:`\lambda`, the loss that a bit is worth.
          dtype: type of the array, and of its steps.
        """
        self._matters = inputs > _NOTHING * inputs.max()
        self._inputs = -0.5 * np.log2(np.where(self._matters, inputs, 1.0))
        self._outputs = -0.5 * np.log2(outputs)
        self._first = 0.5 * math.log2(6 * trade / math.log(2))
        self._top, self._dtype = top, dtype

    def one(self, share: float) -> np.ndarray:
        """Return this share of the step that is best for all weights, of shape (1, 1, 1)."""
        return self._rounded(share, np.full((1, 1, 1), self._middle()))

    def of_slices(self, share: float, *, with_inputs: bool) -> Iterator[np.ndarray]:
        """Yield steps for each output, each input and each matrix, if these differ.

        Their shape is that of [matrices, inputs, outputs], with size 1 on axes of equal steps.
        """
        by_matrix = self._of_matrices()
        every = [by_matrix + self._outputs[:, None]]
        if with_inputs:
            inputs = np.where(self._matters, self._inputs, by_matrix[:, 0])[:, :, None]
            every.append(inputs + self._outputs.mean(axis=1)[:, None, None])
        every.append(by_matrix + self._outputs.mean(axis=1)[:, None, None])
        for logs in every:
            if np.std(logs) >= _LEAST_SPREAD:
                yield self._rounded(share, logs)

    def _of_matrices(self) -> np.ndarray:
        """Return the mean over inputs of each matrix, [matrices, 1, 1]."""
        counts = self._matters.sum(axis=1)
        sums = self._inputs.sum(axis=1, where=self._matters)
        whole = sums.sum() / max(1, counts.sum())
        return np.where(counts > 0, sums / np.maximum(counts, 1), whole)[:, None, None]

    def _middle(self) -> float:
        weights = self._matters.sum(axis=1) * np.ones(len(self._outputs))
        total = max(1.0, float(weights.sum()))
        outputs = self._outputs.mean(axis=1)
        inputs = self._inputs.sum(where=self._matters)
        return float((inputs + (weights * outputs).sum()) / total)

    def _rounded(self, share: float, logs: np.ndarray) -> np.ndarray:
        """Return steps in the type of the array, in half octaves around the middle one."""
        middle = float(logs.mean())
        exponent = math.floor(self._first + middle + math.log2(share))
        fraction = 2.0 ** (self._first + middle + math.log2(share) - exponent)
        parts = 2 ** (_SIGNIFICANT - 1)
        base = math.ldexp(round(parts * fraction) / parts, exponent)
        halves = np.rint(2 * (logs - middle)).astype(np.int64)
        steps = base * np.exp2(halves // 2) * np.where(halves % 2, 1.5, 1.0)
        known = jnp.finfo(self._dtype)
        least = max(1.01 * self._top / (MAX_LEVEL - 2), float(known.tiny))
        most = max(least, min(4 * self._top, float(known.max)))  # twice a weight rounds it to zero
        return np.clip(steps, least, most).astype(self._dtype).astype(np.float64)
