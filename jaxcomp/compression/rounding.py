"""One array of weights, rounded by what its inputs and outputs are."""

import math
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.grid import MAX_LEVEL
from jaxcomp.codec.levels import Quantised
from jaxcomp.compression.layers import Layer
from jaxcomp.quantize.second_order import Factor, Rounded, factorize, round_matrices

_DAMPING = 0.05  # of the mean diagonal of the moments
_TINY = 1e-30
_LEAST_SENSITIVITY = 1e-3  # of the mean
_STEPS = (0.8, 1.0, 1.25)  # times the one that follows from the price of a bit


class Statistics(NamedTuple):
    """What is known of the inputs and outputs of the matrices of one array."""

    layer: Layer
    second: np.ndarray  # float64 [matrices, inputs, inputs], or of diagonals [matrices, inputs]
    sensitivities: np.ndarray  # float64 [matrices, outputs]


def damping(second: np.ndarray) -> np.ndarray:
    """Return what is added to moments, a share of the mean diagonal: so they have an inverse."""
    if second.ndim == 2:
        return np.maximum(_DAMPING * second.mean(axis=1, keepdims=True), _TINY)
    mean = np.einsum("mii->m", second) / second.shape[1]
    return np.maximum(_DAMPING * mean, _TINY)[:, None, None] * np.eye(second.shape[1])


def round_weights(
    w: np.ndarray, zeros: np.ndarray, known: Statistics, trade: float
) -> tuple[Quantised, Rounded]:
    r"""Return levels of a step that follows from the price of a bit.

    At small steps :math:`\Delta` rounding costs :math:`h \Delta^2 / 12` for each weight with a
    curvature `h` of the loss, and :math:`1 / \ln 2` bits for each halving of the step, so that
    :math:`\Delta^2 = 6 \lambda / (h \ln 2)` is best. Steps near to it are tried.

    Args:
      w: [matrices, inputs, outputs], what is to be rounded, float64.
      zeros: bool, like `w`: what stays zero.
      known: of this array, with damped moments.
      trade: :math:`\lambda`, the loss that a bit is worth.
    """
    factor = factorize(known.second)
    mean = known.sensitivities.mean()
    worth = 0.5 * np.maximum(known.sensitivities, _LEAST_SENSITIVITY * mean if mean else 1.0)
    step = math.sqrt(6 * trade / (math.log(2) * _curvature(factor, worth)))
    best = None
    for share in _STEPS:
        own = np.float32(share * step)
        own = np.float64(max(own, np.float32(np.abs(w).max() / (MAX_LEVEL - 2))))
        found = round_matrices(w, factor, worth, own, trade, zeros=zeros, groups=known.layer.groups)
        if best is None or found.cost(trade) < best[1].cost(trade):
            best = own, found
    own, found = best
    levels = known.layer.array(found.levels).astype(np.int16)
    return Quantised(levels, np.float32(own)), found


def _curvature(factor: Factor, worth: np.ndarray) -> float:
    """Return the geometric mean of `worth_j V_ii^2` over all entries."""
    return math.exp(np.log(worth).mean() + 2 * np.log(factor.diagonal).mean())
