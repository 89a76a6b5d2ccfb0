r"""Rounds matrices with the error of their products weighed against the bits of their levels.

For weights :math:`W`, inputs with second moments :math:`H`, and derivatives of a loss with respect
to the outputs with second moments :math:`G`, it searches levels of small

.. math:: \mathrm{tr} \, G \, (W - Q)^T H \, (W - Q) + \lambda \, b(Q)

with the values :math:`Q` of the levels and their bits :math:`b`. With :math:`H = V V^T` and
:math:`G = U U^T`, both factors upper triangular, the first term is a sum over inputs `i` and
outputs `j` of

.. math:: (V^T E \, U)_{ij}^2 = \Bigl( \sum_{k \le i, \, l \le j} V_{ki} \, U_{lj} \, e_{kl}
    \Bigr)^2

with the errors :math:`E = W - Q`. So weights are rounded one after the other, and each compensates
the errors of those before it. With a diagonal :math:`G` and without bits this is GPTQ (Frantar and
others, arXiv:2210.17323); with bits it is close to CERWU (arXiv:2505.18758). The curvature :math:`G
\otimes H` of the loss is that of K-FAC (Martens, Grosse, arXiv:1503.05671).

All arrays have a first axis of matrices: a stacked layer, or a convolution with groups, has
several.
"""

from typing import NamedTuple

import numpy as np

from jaxcomp.quantize.blocks import PRICED, Choice
from jaxcomp.quantize.factors import Factor, products_of
from jaxcomp.quantize.prices import Prices, fit_prices
from jaxcomp.quantize.reproduction import Multiples, Reproduction
from jaxcomp.quantize.sequential import round_in_order

_PASSES = 3
_FIRST_SHRUNK = 0.15  # steps by which weights shrink before the first prices are learned


class Rounded(NamedTuple):
    """Holds levels with their distortion and bits.

    Example:
      >>> import numpy as np
      >>> Rounded(np.zeros((1, 2, 2), int), distortion=3.0, bits=8.0).cost(0.5)
      7.0
    """

    levels: np.ndarray  # int [matrices, inputs, outputs]
    distortion: float  # the sum of the squared errors of products
    bits: float  # an estimate of the coded size

    def cost(self, trade: float) -> float:
        """Return the sum that is minimized: the distortion and `trade` times the bits."""
        return self.distortion + trade * self.bits


def round_matrices(
    w: np.ndarray,
    inputs: Factor,
    outputs: Factor,
    steps: np.ndarray | float,
    trade: float,
    *,
    zeros: np.ndarray,
    groups: int = 1,
    reproduction: Reproduction | None = None,
) -> Rounded:
    """Return the best levels of several passes, each at the prices of the pass before.

    They never cost more than the nearest levels, each at the prices that are learned from them.

    Args:
      w: float64 [matrices, inputs, outputs].
      inputs: factor of the moments of inputs.
      outputs: factor of the moments of the loss.
      steps: the unit of the values of levels; an array that broadcasts to `w` has a step for each
        input or output.
      trade: the error that a bit is worth.
      zeros: bool, like `w`: weights that stay zero whatever others need.
      groups: matrices that lie side by side in one array; those of a stack lie one below another.
      reproduction: the values of levels; by default multiples without a largest one.
    """
    scaled = w / steps
    if reproduction is None:
        reproduction = Multiples(int(np.rint(np.abs(scaled).max(initial=0))) + 2)

    def nearest(shrunk: float) -> np.ndarray:
        targets = np.sign(scaled) * np.maximum(np.abs(scaled) - shrunk, 0)
        return np.where(zeros, 0, reproduction.nearest(targets)).astype(np.int64)

    def priced(levels: np.ndarray) -> tuple[Prices, Rounded]:
        prices = _prices(levels, groups)
        errors = w - steps * reproduction.values(levels)
        distortion = float((products_of(errors, inputs, outputs) ** 2).sum())
        return prices, Rounded(levels, distortion, float(prices.of(levels).sum()))

    every = np.broadcast_to(steps, w.shape)
    best = priced(nearest(0.0))[1]
    prices = _prices(nearest(_FIRST_SHRUNK), groups)
    for _ in range(_PASSES):
        choice = _choice(prices, trade, reproduction)
        found = round_in_order(w, every, inputs, outputs, choice, ~zeros, prices.classes)
        prices, now = priced(found.astype(np.int64))
        if now.cost(trade) < best.cost(trade):
            best = now
    return best


def _prices(levels: np.ndarray, groups: int) -> Prices:
    """Return prices learned from the array that the levels make, with classes in their shape."""
    inputs, outputs = levels.shape[1:]
    aside = levels.reshape(-1, groups, inputs, outputs).swapaxes(1, 2)
    largest = min(int(np.abs(levels).max(initial=0)) + 2, PRICED)
    prices = fit_prices(aside.reshape(-1, groups * outputs), largest)
    classes = prices.classes.reshape(aside.shape).swapaxes(1, 2).reshape(levels.shape)
    return prices._replace(classes=classes)


def _choice(prices: Prices, trade: float, reproduction: Reproduction) -> Choice:
    beyond = PRICED - prices.largest  # these levels have the price of the last one
    table = np.pad(trade * prices.bits, ((0, 0), (beyond, beyond)), mode="edge")
    return Choice(reproduction.padded(), table)
