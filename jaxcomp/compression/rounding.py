"""One array of weights, rounded by what its inputs and outputs are."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcomp.codec.grid import MAX_LEVEL
from jaxcomp.codec.levels import Quantised
from jaxcomp.compression.layers import Layer
from jaxcomp.quantize.second_order import Factor, Rounded, factorize, round_matrices

_DAMPING = 0.05  # of the mean diagonal of the moments
_TINY = 1e-30
_NOTHING = 1e-9  # of the largest curvature: matrices that meet no data
_LEAST_SENSITIVITY = 1e-3  # of the mean
_STEPS = (1.0, 0.8, 1.25)  # times the one that follows from the price of a bit
_SMALL = 2**21  # weights up to which all of them are tried


class Curvature(NamedTuple):
    """The loss of errors `e` of one array: half the sum of `g_j e_j^T H e_j` over outputs."""

    second: np.ndarray  # H, float64 [matrices, inputs, inputs], or of diagonals [matrices, inputs]
    sensitivities: np.ndarray  # g, float64 [matrices, outputs]
    of_products: float = 1.0  # what the moments of inputs were multiplied with to be part of H

    def loss(self, errors: np.ndarray) -> float:
        """Return the loss of errors [matrices, inputs, outputs]."""
        diagonal = self.second.ndim == 2
        products = self.second[:, :, None] * errors if diagonal else self.second @ errors
        return 0.5 * float(np.einsum("mio,mio,mo->", errors, products, self.sensitivities))


def curvature_of(
    second: np.ndarray | None,
    products: np.ndarray | None,
    lookups: tuple[np.ndarray, np.ndarray] | None,
) -> Curvature:
    """Return the curvature of an array that is multiplied, looked up, or both.

    What is lost by a lookup is known for each entry; it is taken to be a product of one number for
    its input and one for its output. Of both uses together the outputs' share of each is that of
    the mean output.

    Args:
      second: moments of what it is multiplied with.
      products: sensitivities of the products, [matrices, outputs].
      lookups: of entries that are looked up, summed over outputs and over inputs.
    """
    if lookups is None:
        return Curvature(second, products)
    by_input, by_output = lookups
    total = max(float(by_input.sum()), _TINY)
    if second is None:
        return Curvature(by_input[None], by_output[None] / total)
    diagonal = second if second.ndim == 2 else np.einsum("mii->mi", second)
    mean = float(products.mean())
    looked_up = by_output.mean() / total * by_input[None]
    joint = mean * second
    if second.ndim == 2:
        joint = joint + looked_up
    else:
        np.einsum("mii->mi", joint)[:] += looked_up
    each = products * diagonal.sum() + by_output[None]
    return Curvature(joint, each / max(float(each.mean()), _TINY), mean)


def damping(second: np.ndarray) -> np.ndarray:
    """Return what is added to moments, a share of the mean diagonal: so they have an inverse."""
    if second.ndim == 2:
        return np.maximum(_DAMPING * second.mean(axis=1, keepdims=True), _TINY)
    mean = np.einsum("mii->m", second) / second.shape[1]
    return np.maximum(_DAMPING * mean, _TINY)[:, None, None] * np.eye(second.shape[1])


def round_weights(
    w: np.ndarray,
    zeros: np.ndarray,
    layer: Layer,
    curvature: Curvature,
    trade: float,
    dtype: np.dtype,
) -> tuple[Quantised, Rounded]:
    r"""Return levels of a step that follows from the price of a bit.

    At small steps :math:`\Delta` rounding costs :math:`h \Delta^2 / 12` for each weight with a
    curvature `h` of the loss, and :math:`1 / \ln 2` bits for each halving of the step, so that
    :math:`\Delta^2 = 6 \lambda / (h \ln 2)` is best. Steps near to it are tried.

    Args:
      w: [matrices, inputs, outputs], what is to be rounded, float64.
      zeros: bool, like `w`: what stays zero.
      layer: the array that they are of.
      curvature: of the loss, damped.
      trade: :math:`\lambda`, the loss that a bit is worth.
      dtype: of the array, which the step has to be of.
    """
    factor = factorize(curvature.second)
    mean = curvature.sensitivities.mean()
    worth = 0.5 * np.maximum(curvature.sensitivities, _LEAST_SENSITIVITY * mean if mean else 1.0)
    step = math.sqrt(6 * trade / (math.log(2) * _curvature(factor, worth)))
    best = None
    for share in _STEPS if w.size <= _SMALL else _STEPS[:1]:
        own = _step(share * step, w, dtype)
        found = round_matrices(w, factor, worth, own, trade, zeros=zeros, groups=layer.groups)
        if best is None or found.cost(trade) < best[1].cost(trade):
            best = own, found
    own, found = best
    levels = layer.array(found.levels).astype(np.int16)
    return Quantised(levels, np.asarray(own, dtype)), found


def _step(step: float, w: np.ndarray, dtype: np.dtype) -> float:
    """Return the step as its type has it, and not too small for the largest level."""
    top, known = float(np.abs(w).max()), jnp.finfo(dtype)
    least = max(1.01 * top / (MAX_LEVEL - 2), float(known.tiny))
    most = max(least, min(4 * top, float(known.max)))  # more than two weights make zeros too
    return float(np.asarray(min(max(step, least), most)).astype(dtype))


def _curvature(factor: Factor, worth: np.ndarray) -> float:
    """Return the geometric mean of `worth_j V_ii^2` over the entries that matter at all."""
    squares = factor.diagonal**2
    matters = squares > _NOTHING * squares.max()
    logs = np.log(np.where(matters, squares, 1.0)) + np.log(worth).mean(axis=1, keepdims=True)
    return math.exp(logs.mean(where=matters))
