"""Rounding in blocks, beside one weight after the other."""

import numpy as np
import pytest

from jaxcomp.quantize.blocks import PRICED, Choice
from jaxcomp.quantize.factors import factorize, in_order
from jaxcomp.quantize.reproduction import Codebook, Multiples
from jaxcomp.quantize.sequential import round_in_order

VALUES = {  # of each level that there is
    "multiples": (Multiples(4), {level: level for level in range(-4, 5)}),
    "codebook": (
        Codebook(np.array([-6.5, -2.0, 0.0, 1.0, 3.5, 5.0])),
        dict(zip(range(-2, 4), (-6.5, -2.0, 0.0, 1.0, 3.5, 5.0), strict=True)),
    ),
}


def one_by_one(w, steps, inputs, outputs, values, prices, free, classes):
    """The same by the formula; all in the order of the factors, of one matrix."""
    down, on = (
        np.diag(one.upper[0]) if one.is_diagonal else one.upper[0] for one in (inputs, outputs)
    )
    levels, errors = np.zeros(w.shape), np.zeros(w.shape)
    for i, j in np.ndindex(w.shape):
        before = down[: i + 1, i] @ errors[: i + 1, : j + 1] @ on[: j + 1, j]
        own = down[i, i] * on[j, j]
        goal = (w[i, j] + before / own) / steps[i, j]

        def cost(level, at=(i, j), own=own, goal=goal):
            squared = (own * steps[at] * (goal - values[level])) ** 2
            return squared + prices[classes[at], PRICED + level]

        near = min(values, key=lambda level: abs(goal - values[level]))
        sign = np.sign(near)
        tried = [near, *(sign * max(abs(near) - less, 0) for less in (1, 2)), 0]
        level = min(tried, key=cost) if free[i, j] else 0
        levels[i, j], errors[i, j] = level, w[i, j] - steps[i, j] * values[level]
    return levels


def moments(rng, matrices, size, *, diagonal):
    if diagonal:
        return rng.uniform(0.5, 2, size=(matrices, size))
    x = rng.normal(size=(matrices, 2 * size, size))
    return np.einsum("mri,mrj->mij", x, x) / size


@pytest.mark.parametrize("which", VALUES)
@pytest.mark.parametrize("of_inputs", [True, False])
@pytest.mark.parametrize("of_outputs", [True, False])
def test_blocks_are_rounded_as_if_one_by_one(which, of_inputs, of_outputs):
    rng = np.random.default_rng(0)
    reproduction, values = VALUES[which]
    prices = rng.uniform(0, 0.6, size=(5, 2 * PRICED + 1))
    prices[0] += 5 * (np.arange(-PRICED, PRICED + 1) != 0)  # where zero is best, from anywhere
    # In blocks of 32: parts of them, more than are rounded together, and matrices of one column.
    for shape in ((2, 40, 35), (9, 3, 33), (3, 34, 1)):
        w = rng.normal(size=shape)
        steps, free = rng.uniform(0.2, 0.4, size=shape), rng.random(shape) < 0.9
        classes = rng.integers(0, 5, size=shape)
        inputs, outputs = (
            factorize(moments(rng, shape[0], size, diagonal=diagonal))
            for size, diagonal in ((shape[1], of_inputs), (shape[2], of_outputs))
        )
        choice = Choice(reproduction.padded(), prices)
        found = round_in_order(w, steps, inputs, outputs, choice, free, classes)
        parts = (in_order(array, inputs, outputs) for array in (found, w, steps, free, classes))
        for m, (levels, *own) in enumerate(zip(*parts, strict=True)):
            one, other = (f._replace(upper=f.upper[m : m + 1]) for f in (inputs, outputs))
            expected = one_by_one(own[0], own[1], one, other, values, prices, *own[2:])
            np.testing.assert_array_equal(levels, expected)
            assert len(np.unique(levels)) > 3


def test_the_highest_level_that_is_priced_is_the_price_of_those_beyond():
    prices = np.zeros((2, 2 * PRICED + 1))
    prices[0, -1] = 5.0  # dear enough to take a level or two less, but not three
    w = PRICED + np.array([[[0.0, 1.0, 2.0, PRICED]]])
    known = factorize(np.ones((1, 1))), factorize(np.ones((1, 4)))
    beside = np.ones(w.shape, bool), np.zeros(w.shape, np.uint8)
    found = round_in_order(w, np.ones(w.shape), *known, Choice(Multiples(2**15), prices), *beside)
    np.testing.assert_array_equal(found[0, 0] - PRICED, [-1, -1, 2, PRICED])


def test_a_codebook_of_any_size_is_one_of_few():
    sizes = set()
    for entries in range(1, 20):
        book = Codebook(np.arange(entries) - entries // 2 * 1.0)
        padded = book.padded()
        sizes.add(len(padded.entries))
        x = np.random.default_rng(entries).uniform(-30, 30, 100)
        np.testing.assert_array_equal(padded.nearest(x), book.nearest(x))
    assert sizes == {1, 2, 4, 8, 16, 32}
