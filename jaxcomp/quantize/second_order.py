r"""Rounding of matrices that weighs the error of their products against the bits of their levels.

For weights :math:`W` that are multiplied with inputs of second moments :math:`H` it looks for
levels of small

.. math:: \sum_j g_j \, (W - Q)_j^T H \, (W - Q)_j + \lambda \, b(Q)

with the sensitivity :math:`g_j` of the loss to each output, the values :math:`Q` of the levels and
their bits :math:`b`. With :math:`H = V V^T` and an upper triangular :math:`V`, the first part is a
sum over inputs `i` and outputs `j` of

.. math:: g_j \, V_{ii}^2 \, \bigl(w_{ij} + \sum_{k<i} (V_{ki} / V_{ii}) \, e_{kj} - q_{ij}\bigr)^2

with the errors :math:`e = w - q` of the inputs before. So inputs are rounded one after the other,
and each makes up for those before it. Without bits this is GPTQ (Frantar and others,
arXiv:2210.17323), with them it is near to CERWU (arXiv:2505.18758).

All arrays have an axis of matrices, as a stacked layer or a convolution with groups has several.
"""

from typing import NamedTuple

import numpy as np

from jaxcomp.quantize.prices import Prices, fit_prices

_PASSES = 3
_BLOCK = 64  # inputs whose errors are handed on together
_PRICED = 255  # larger levels cost what this one does
_FIRST_ROUNDED_UP = 0.35  # of a step: the levels that the first prices are those of


class Factor(NamedTuple):
    """Second moments as `V V^T`, of inputs in the order in which they are rounded."""

    order: np.ndarray  # int [matrices, inputs]
    upper: np.ndarray  # float64 [matrices, inputs, inputs]; of diagonal moments [matrices, inputs]

    @property
    def diagonal(self) -> np.ndarray:
        """Return `V_ii`, [matrices, inputs]."""
        return self.upper if self.upper.ndim == 2 else np.einsum("mii->mi", self.upper)


def factorize(second: np.ndarray) -> Factor:
    """Return the factor of positive definite moments; inputs of large moments come first.

    Args:
      second: float64 [matrices, inputs, inputs], or [matrices, inputs] of diagonals.
    """
    diagonal = second if second.ndim == 2 else np.einsum("mii->mi", second)
    order = np.argsort(-diagonal, axis=1, kind="stable")
    if second.ndim == 2:
        return Factor(order, np.sqrt(np.take_along_axis(second, order, axis=1)))
    upper = np.empty_like(second)
    for own, at, to in zip(second, order, upper, strict=True):
        backwards = at[::-1]
        to[:] = np.linalg.cholesky(own[np.ix_(backwards, backwards)])[::-1, ::-1]
    return Factor(order, upper)


class Rounded(NamedTuple):
    """Levels, and what they cost."""

    levels: np.ndarray  # int [matrices, inputs, outputs]
    distortion: float  # the sum of the errors of products
    bits: float  # about what a coder takes

    def cost(self, trade: float) -> float:
        """Return the sum that is to be small."""
        return self.distortion + trade * self.bits


def round_matrices(
    w: np.ndarray,
    factor: Factor,
    sensitivities: np.ndarray,
    steps: np.ndarray | float,
    trade: float,
    *,
    zeros: np.ndarray,
    groups: int = 1,
    largest: int | None = None,
) -> Rounded:
    """Return the best levels of several passes, each at the prices of the one before.

    They never cost more than the nearest levels, at the prices that are learned from each.

    Args:
      w: float64 [matrices, inputs, outputs].
      factor: of the moments of their inputs.
      sensitivities: [matrices, outputs].
      steps: a level `l` stands for `l` times this; beside `w`, for steps of inputs or outputs.
      trade: the error that a bit is worth.
      zeros: bool, like `w`: what stays zero whatever others need.
      groups: matrices that lie side by side in one array; those of a stack lie one below another.
      largest: the largest level; by default there is none.
    """
    nearest = np.abs(w) / steps
    top = largest or int(np.rint(nearest.max(initial=0))) + 2
    signs = np.where(zeros, 0, np.sign(w))

    def priced(levels: np.ndarray, distortion: float) -> tuple[Prices, Rounded]:
        prices = _prices(levels, groups)
        return prices, Rounded(levels, distortion, float(prices.of(levels).sum()))

    plain = (signs * np.minimum(np.rint(nearest), top)).astype(np.int64)
    error = _distortion(w - steps * plain, factor, sensitivities)
    best = priced(plain, error)[1]
    few = (signs * np.minimum(np.floor(nearest + _FIRST_ROUNDED_UP), top)).astype(np.int64)
    prices = _prices(few, groups)
    for _ in range(_PASSES):
        levels, error = _one_pass(w, factor, sensitivities, steps, trade, prices, top, zeros)
        prices, found = priced(levels, error)
        if found.cost(trade) < best.cost(trade):
            best = found
    return best


def _distortion(errors: np.ndarray, factor: Factor, sensitivities: np.ndarray) -> float:
    """Return the sum that errors [matrices, inputs, outputs] come to."""
    ordered = np.take_along_axis(errors, factor.order[:, :, None], axis=1)
    if factor.upper.ndim == 2:
        products = factor.upper[:, :, None] * ordered
    else:
        products = np.matmul(factor.upper.swapaxes(1, 2), ordered)
    return float((sensitivities[:, None] * products**2).sum())


def _prices(levels: np.ndarray, groups: int) -> Prices:
    """Return prices with classes of the shape of the levels, learned from the array they make."""
    inputs, outputs = levels.shape[1:]
    aside = levels.reshape(-1, groups, inputs, outputs).swapaxes(1, 2)
    largest = min(int(np.abs(levels).max(initial=0)) + 2, _PRICED)
    prices = fit_prices(aside.reshape(-1, groups * outputs), largest)
    classes = prices.classes.reshape(aside.shape).swapaxes(1, 2).reshape(levels.shape)
    return prices._replace(classes=classes)


def _one_pass(
    w: np.ndarray,
    factor: Factor,
    sensitivities: np.ndarray,
    steps: np.ndarray | float,
    trade: float,
    prices: Prices,
    top: int,
    zeros: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Round input by input at given prices; return the levels and the sum of the errors."""
    order, upper = factor
    inputs, priced = w.shape[1], prices.largest
    target = np.take_along_axis(w, order[:, :, None], axis=1)
    every = np.broadcast_to(steps, w.shape)
    step = np.take_along_axis(every, order[:, :, None], axis=1)
    free = ~np.take_along_axis(zeros, order[:, :, None], axis=1)
    classes = np.take_along_axis(prices.classes, order[:, :, None], axis=1)
    first = classes.astype(np.intp) * prices.bits.shape[1] + priced  # where the table has level 0
    table = (trade * prices.bits).ravel()
    worth = sensitivities[:, None] * (factor.diagonal[:, :, None] * step) ** 2
    levels = np.zeros(w.shape)
    errors, carried = np.zeros(w.shape), np.zeros(w.shape)
    distortion = 0.0
    for start in range(0, inputs, _BLOCK):
        end = min(start + _BLOCK, inputs)
        for i in range(start, end):
            wanted = target[:, i]
            if upper.ndim == 3:
                own = np.matmul(upper[:, None, start:i, i], errors[:, start:i])[:, 0]
                wanted = wanted + (carried[:, i] + own) / upper[:, i, i, None]
            sign, size = np.sign(wanted), np.abs(wanted) / step[:, i]
            near = np.minimum(np.rint(size), top) * free[:, i]
            best, least = near, np.inf
            for smaller in (near, np.maximum(near - 1, 0), np.maximum(near - 2, 0), 0 * near):
                place = first[:, i] + (sign * np.minimum(smaller, priced)).astype(np.intp)
                cost = worth[:, i] * (size - smaller) ** 2 + table[place]
                best = np.where(cost < least, smaller, best)
                least = np.minimum(cost, least)
            distortion += float((worth[:, i] * (size - best) ** 2).sum())
            levels[:, i] = sign * best
            errors[:, i] = target[:, i] - step[:, i] * levels[:, i]
        if upper.ndim == 3 and end < inputs:
            handed = upper[:, start:end, end:].swapaxes(1, 2)
            carried[:, end:] += np.matmul(handed, errors[:, start:end])
    back = np.empty(w.shape, np.int64)
    np.put_along_axis(back, order[:, :, None], levels.astype(np.int64), axis=1)
    return back, distortion
