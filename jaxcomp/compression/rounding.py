"""Rounds one array of weights, given the statistics of its inputs and outputs."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxcomp.codec.levels import FewValued
from jaxcomp.compression.layers import Layer
from jaxcomp.compression.steps import Steps
from jaxcomp.quantize.codebook import nearest
from jaxcomp.quantize.factors import Factor, diagonal_of, factorize
from jaxcomp.quantize.fitted_values import fit_values
from jaxcomp.quantize.reproduction import Codebook
from jaxcomp.quantize.second_order import Rounded, round_matrices

# Damping, as a share of the mean diagonal: the curvature is not quite a product of moments of
# inputs and of outputs, and least where different outputs meet.
_DAMPING, _OUTPUT_DAMPING = 0.05, 0.5
_LEAST_SENSITIVITY = 1e-3  # share of the mean, if outputs are uncorrelated
_TINY = 1e-30
TERNARY = 3  # number of values: -c, 0 and c
_FITS = 4  # alternations of fitting a codebook to levels, and levels to it
_SPANS = (1.0, 0.5, 0.25)  # shares of the largest weight, from which a codebook starts
_SHARES = (1.0, 0.8, 1.25)  # shares of the step that follows from the price of a bit
_STEP_BITS, _MODEL_BITS = 3, 240  # bits of each of many steps, and of their frequencies
_SMALL = 2**21  # the most weights of an array that are all used for each trial


class Curvature(NamedTuple):
    """Holds a curvature: errors `e` lose half the sum of `tr G e^T H e` over matrices."""

    # H and G are float64 [matrices, entries, entries], or diagonals [matrices, entries].
    second: np.ndarray  # H, for inputs
    sensitivities: np.ndarray  # G, for outputs
    of_products: float = 1.0  # factor of the moments of inputs within H

    def loss(self, errors: np.ndarray) -> float:
        """Return the loss of errors [matrices, inputs, outputs]."""
        h, g = self.second, self.sensitivities
        products = h[:, :, None] * errors if h.ndim == 2 else h @ errors
        products = products * g[:, None] if g.ndim == 2 else products @ g
        return 0.5 * float((errors * products).sum())


def curvature_of(
    second: np.ndarray | None,
    products: np.ndarray | None,
    lookups: tuple[np.ndarray, np.ndarray] | None,
) -> Curvature:
    """Return the curvature of an array that is multiplied, looked up, or both.

    The loss of a lookup is known for each entry; it is approximated by the product of one number
    for its input and one for its output. If an array is used in both ways, each use is weighted as
    for the mean output, and outputs are taken as uncorrelated.

    Args:
      second: moments of the inputs that it is multiplied with.
      products: sensitivities of the products, [matrices, outputs, outputs] or [matrices, outputs].
      lookups: losses of entries that are looked up, summed over outputs and over inputs.
    """
    if lookups is None:
        assert second is not None
        assert products is not None
        return Curvature(second, products)
    by_input, by_output = lookups
    total = max(float(by_input.sum()), _TINY)
    if second is None or products is None:
        return Curvature(by_input[None], by_output[None] / total)
    alone = diagonal_of(products)
    mean = float(alone.mean())
    looked_up = by_output.mean() / total * by_input[None]
    joint = mean * second
    if second.ndim == 2:
        joint = joint + looked_up
    else:
        np.einsum("mii->mi", joint)[:] += looked_up
    each = alone * diagonal_of(second).sum() + by_output[None]
    return Curvature(joint, each / max(float(each.mean()), _TINY), mean)


def damping(second: np.ndarray, share: float = _DAMPING) -> np.ndarray:
    """Return a share of the mean diagonal; with it added, moments have an inverse."""
    mean = diagonal_of(second).mean(axis=1, keepdims=True)
    each = np.maximum(share * mean, _TINY)
    return each if second.ndim == 2 else each[:, :, None] * np.eye(second.shape[1])


Factors = tuple[Factor, Factor]  # factors of the moments of inputs, and of the sensitivities


class Problem(NamedTuple):
    """Holds the weights that are to be rounded, and the price of a bit."""

    w: np.ndarray  # float64 [matrices, inputs, outputs]
    zeros: np.ndarray  # bool, like `w`: weights that stay zero
    layer: Layer  # layout of the array
    curvature: Curvature  # curvature of the loss, damped
    trade: float  # the loss that a bit is worth
    dtype: np.dtype  # type of the array, of its steps and of its codebook


def round_weights(problem: Problem, values: int | None = None) -> FewValued:
    """Return the levels and the codebook whose error and bits cost least.

    Args:
      problem: the weights.
      values: number of values of the array, 3 for `{-c, 0, c}`; None for multiples of a step.
    """
    outputs = _stable(problem.curvature.sensitivities)
    factors = factorize(problem.curvature.second), factorize(outputs)
    top = float(np.abs(problem.w).max())
    good = Steps(factors[0].squares, factors[1].squares, top, problem.trade, problem.dtype)
    if values is not None:
        return _few_valued(problem, factors, good, values)
    return _of_steps(problem, factors, good)


def _stable(sensitivities: np.ndarray) -> np.ndarray:
    """Return the cost of squared errors, damped so that no output is free."""
    share = _OUTPUT_DAMPING if sensitivities.ndim == 3 else _LEAST_SENSITIVITY
    return 0.5 * (sensitivities + damping(sensitivities, share))


def _of_steps(problem: Problem, factors: Factors, good: Steps) -> FewValued:
    """Return multiples of one step, or of one for each slice if that pays.

    For a large array, some of the outputs decide that.
    """
    w, trade, layer = problem.w, problem.trade, problem.layer
    every, some = max(1, w.size // _SMALL), factors[1]
    if every > 1:
        sensitivities = problem.curvature.sensitivities[..., ::every]
        whole = sensitivities.ndim == 3
        some = factorize(_stable(sensitivities[:, ::every] if whole else sensitivities))

    def rounded(steps: np.ndarray, outputs: Factor, every: int) -> Rounded:
        at = (..., slice(None, None, every))
        beside = steps[at] if steps.shape[2] > 1 else steps
        return round_matrices(
            w[at],
            factors[0],
            outputs,
            beside,
            trade,
            zeros=problem.zeros[at],
            groups=layer.groups,
        )

    def tried(steps: np.ndarray) -> tuple[float, np.ndarray, Rounded]:
        found = rounded(steps, some, every)
        return found.cost(trade) + trade * _bits_of(steps) / every, steps, found

    # Compiled functions and products of matrices release Python's lock, so that threads help.
    with ThreadPoolExecutor(len(_SHARES)) as pool:
        alone = dict(zip(_SHARES, pool.map(tried, map(good.one, _SHARES)), strict=True))
        share = min(alone, key=lambda share: alone[share][0])
        each = [alone[share]]
        if len(layer.shape) > 1:
            each.extend(pool.map(tried, good.of_slices(share, with_inputs=layer.groups == 1)))
    best = min(each, key=lambda one: one[0])
    _, steps, found = best
    if every > 1:
        found = rounded(steps, factors[1], 1)
    codebook = layer.slices(steps) if steps.size > 1 else steps.reshape(())
    levels = layer.array(found.levels).astype(np.int16)
    return FewValued(levels, codebook.astype(problem.dtype))


def _bits_of(steps: np.ndarray) -> float:
    return min(32 * steps.size, _STEP_BITS * steps.size + _MODEL_BITS)


def _few_valued(problem: Problem, factors: Factors, good: Steps, most: int) -> FewValued:
    """Return a codebook of at most so many values and its levels, fitted to each other in turns."""
    w, trade = problem.w, problem.trade
    places = np.arange(most // 2 + 1 - most, most // 2 + 1, dtype=np.float64)
    cheapest, values = np.inf, np.zeros_like(w)
    largest = np.abs(w).max() / (most // 2)
    for step in (good.one(1.0), *(largest * share for share in _SPANS if largest)):
        entries = places
        for _ in range(_FITS):
            book = Codebook(entries)
            found = round_matrices(
                w,
                *factors,
                step,
                trade,
                zeros=problem.zeros,
                groups=problem.layer.groups,
                reproduction=book,
            )
            if found.cost(trade) < cheapest:
                cheapest, values = found.cost(trade), step * book.values(found.levels)
            entries = _fitted(problem, factors, step, found.levels, most)
    stored = problem.layer.array(values).astype(problem.dtype)
    return nearest(stored, np.unique(stored))


def _fitted(
    problem: Problem,
    factors: Factors,
    step: np.ndarray,
    levels: np.ndarray,
    most: int,
) -> np.ndarray:
    """Return the entries of a codebook that is fitted to levels, in steps."""
    if not levels.any():
        return np.zeros(1)
    if most == TERNARY:
        fitted = np.abs(fit_values(problem.w, [step * levels], *factors))
        return np.unique([-fitted, 0 * fitted, fitted])
    used = np.unique(levels[levels != 0])
    fitted = fit_values(problem.w, [step * (levels == level) for level in used], *factors)
    return np.unique([0.0, *fitted[np.sign(fitted) == np.sign(used)]])
