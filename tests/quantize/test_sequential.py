"""Rounding in blocks, beside one weight after the other."""

import numpy as np
import pytest

from jaxcomp.quantize import sequential
from jaxcomp.quantize.factors import factorize, in_order
from jaxcomp.quantize.sequential import round_in_order


def nearest(wanted, worth, price):
    """Levels that cost a little, to see what the numbers beside a weight are."""
    levels = np.rint(wanted)
    smaller = np.sign(levels) * np.maximum(np.abs(levels) - 1, 0)
    cheap = worth * ((wanted - smaller) ** 2 - (wanted - levels) ** 2) < price
    levels = np.where(cheap, smaller, levels)
    return levels, levels


def one_by_one(w, steps, inputs, outputs, price):
    """The same by the formula; all in the order of the factors, of one matrix."""
    down, on = (
        np.diag(one.upper[0]) if one.is_diagonal else one.upper[0] for one in (inputs, outputs)
    )
    levels, errors = np.zeros(w.shape), np.zeros(w.shape)
    for i, j in np.ndindex(w.shape):
        before = down[: i + 1, i] @ errors[: i + 1, : j + 1] @ on[: j + 1, j]
        own = down[i, i] * on[j, j]
        level, value = nearest(
            (w[i, j] + before / own) / steps[i, j], (own * steps[i, j]) ** 2, price[i, j]
        )
        levels[i, j], errors[i, j] = level, w[i, j] - steps[i, j] * value
    return levels


def moments(rng, matrices, size, *, diagonal):
    if diagonal:
        return rng.uniform(0.5, 2, size=(matrices, size))
    x = rng.normal(size=(matrices, 2 * size, size))
    return np.einsum("mri,mrj->mij", x, x) / size


@pytest.mark.parametrize("of_inputs", [True, False])
@pytest.mark.parametrize("of_outputs", [True, False])
def test_blocks_are_rounded_as_if_one_by_one(monkeypatch, of_inputs, of_outputs):
    monkeypatch.setattr(sequential, "_BLOCK", 4)
    monkeypatch.setattr(sequential, "_WIDE_BLOCK", 5)
    rng = np.random.default_rng(0)
    for shape in ((2, 11, 9), (1, 3, 14), (3, 8, 1)):
        w = 2 * rng.normal(size=shape)
        steps, price = rng.uniform(0.2, 0.4, size=shape), rng.uniform(0, 0.2, size=shape)
        inputs, outputs = (
            factorize(moments(rng, shape[0], size, diagonal=diagonal))
            for size, diagonal in ((shape[1], of_inputs), (shape[2], of_outputs))
        )
        found = round_in_order(w, steps, inputs, outputs, nearest, (price,))
        parts = (in_order(array, inputs, outputs) for array in (found, w, steps, price))
        for m, (levels, *own) in enumerate(zip(*parts, strict=True)):
            one, other = (f._replace(upper=f.upper[m : m + 1]) for f in (inputs, outputs))
            expected = one_by_one(own[0], own[1], one, other, own[2])
            np.testing.assert_array_equal(levels, expected)
