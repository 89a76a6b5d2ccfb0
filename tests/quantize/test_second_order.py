"""Rounding by second moments, beside all roundings and by its own promises."""

import itertools

import numpy as np
import pytest

from jaxcomp.quantize.factors import factorize
from jaxcomp.quantize.prices import fit_prices
from jaxcomp.quantize.reproduction import Multiples
from jaxcomp.quantize.second_order import round_matrices


def random_moments(rng, matrices, inputs, examples=50):
    x = rng.normal(size=(matrices, examples, inputs)) @ rng.normal(size=(inputs, inputs))
    return np.einsum("mri,mrj->mij", x, x) / examples


def distortion(w, levels, step, second, sensitivities):
    errors = w - step * levels
    return np.einsum("mij,mio,mjo,mo->", second, errors, errors, sensitivities)


def rounded(w, second, sensitivities, step, trade, **options):
    zeros = options.pop("zeros", np.zeros(w.shape, bool))
    factors = factorize(second), factorize(sensitivities)
    return round_matrices(w, *factors, step, trade, zeros=zeros, **options)


@pytest.mark.parametrize("seed", range(8))
def test_near_to_the_best_of_all_roundings(seed):
    rng = np.random.default_rng(seed)
    w, second = rng.normal(size=(1, 3, 2)), random_moments(rng, 1, 3)
    sensitivities = rng.uniform(0.1, 3, size=(1, 2))
    found = rounded(w, second, sensitivities, 0.7, 0.0)
    # Outputs do not depend on each other: all columns of levels are tried for each.
    columns = np.array(list(itertools.product(range(-8, 9), repeat=3))).T
    errors = w[0, :, :, None] - 0.7 * columns[:, None]
    every = np.einsum("ij,ion,jon,o->on", second[0], errors, errors, sensitivities[0])
    least = every.min(axis=1).sum()
    nearest = distortion(w, np.rint(w / 0.7), 0.7, second, sensitivities)
    assert least <= found.distortion * (1 + 1e-12)
    assert found.distortion <= nearest * (1 + 1e-12)
    # In three dimensions the rounding of one input after the other misses little.
    assert found.distortion <= 2 * least


@pytest.mark.parametrize("seed", range(4))
def test_near_to_the_best_of_all_roundings_where_outputs_know_of_each_other(seed):
    rng = np.random.default_rng(seed)
    w, second, of_loss = (
        rng.normal(size=(1, 3, 2)),
        random_moments(rng, 1, 3),
        random_moments(rng, 1, 2),
    )
    found = rounded(w, second, of_loss, 0.7, 0.0)
    moves = np.array(list(itertools.product(range(-3, 4), repeat=6))).reshape(-1, 3, 2)
    errors = w - 0.7 * (np.rint(w / 0.7) + moves)
    every = np.einsum("nio,ij,njp,op->n", errors, second[0], errors, of_loss[0], optimize=True)
    error = w - 0.7 * found.levels
    of_found = np.einsum("mio,mij,mjp,mop->", error, second, error, of_loss)
    np.testing.assert_allclose(found.distortion, of_found)
    assert every.min() <= of_found * (1 + 1e-12)
    assert of_found <= 3 * every.min()
    assert of_found <= every[len(every) // 2] * (1 + 1e-12)  # of the nearest


def test_the_distortion_is_that_of_the_levels():
    rng = np.random.default_rng(0)
    w, second = rng.normal(size=(3, 130, 5)), random_moments(rng, 3, 130, 400)
    sensitivities = rng.uniform(0.1, 3, size=(3, 5))
    for trade in (0.0, 0.3):
        found = rounded(w, second, sensitivities, 0.5, trade)
        expected = distortion(w, found.levels, 0.5, second, sensitivities)
        np.testing.assert_allclose(found.distortion, expected, rtol=1e-9)
        prices = fit_prices(found.levels.reshape(-1, 5), np.abs(found.levels).max() + 2)
        np.testing.assert_allclose(
            found.bits, prices.of(found.levels.reshape(-1, 5)).sum(), rtol=0.02
        )


def test_inputs_make_up_for_each_other():
    rng = np.random.default_rng(1)
    w, second = rng.normal(size=(1, 40, 20)), random_moments(rng, 1, 40, 60)
    sensitivities = np.ones((1, 20))
    found = rounded(w, second, sensitivities, 0.8, 0.0)
    nearest = distortion(w, np.rint(w / 0.8), 0.8, second, sensitivities)
    assert found.distortion < 0.4 * nearest


def test_independent_inputs_are_rounded_to_the_nearest():
    rng = np.random.default_rng(2)
    w, diagonal = rng.normal(size=(2, 9, 4)), rng.uniform(0.1, 2, size=(2, 9))
    sensitivities = rng.uniform(0.1, 3, size=(2, 4))
    for second in (diagonal, np.stack([np.diag(own) for own in diagonal])):
        found = rounded(w, second, sensitivities, 0.3, 0.0)
        np.testing.assert_array_equal(found.levels, np.rint(w / 0.3))


def test_dear_bits_make_zeros_of_what_matters_least():
    rng = np.random.default_rng(3)
    w = rng.normal(size=(1, 60, 30))
    sensitivities = np.where(np.arange(30) < 15, 1.0, 1e-3)[None]
    second = random_moments(rng, 1, 60, 200)
    sizes = []
    for trade in (0.0, 0.1, 1.0, 1e3):
        found = rounded(w, second, sensitivities, 0.5, trade)
        sizes.append(found.bits)
        if trade == 0.1:
            dropped = (found.levels == 0).mean(axis=(0, 1))
            assert dropped[15:].mean() > 2 * dropped[:15].mean()
    assert sizes == sorted(sizes, reverse=True)
    assert not found.levels.any()


def test_zeros_stay_and_no_level_is_beyond_the_largest():
    rng = np.random.default_rng(4)
    w = rng.normal(size=(2, 30, 10)) * (rng.random((2, 30, 10)) < 0.5)
    second = random_moments(rng, 2, 30)
    found = rounded(w, second, np.ones((2, 10)), 0.1, 0.0, zeros=w == 0, reproduction=Multiples(3))
    assert not found.levels[w == 0].any()
    assert np.abs(found.levels).max() == 3


def test_matrices_are_rounded_by_themselves():
    rng = np.random.default_rng(5)
    w, second = rng.normal(size=(3, 12, 4)), random_moments(rng, 3, 12)
    sensitivities = rng.uniform(0.1, 3, size=(3, 4))
    together = rounded(w, second, sensitivities, 0.4, 0.0)
    for i in range(3):
        one = slice(i, i + 1)
        alone = rounded(w[one], second[one], sensitivities[one], 0.4, 0.0)
        np.testing.assert_array_equal(together.levels[one], alone.levels)


def test_prices_are_those_of_shares():
    levels = np.zeros((200, 100), np.int64)
    levels[:100, :50] = np.random.default_rng(6).integers(-1, 2, size=(100, 50))
    prices = fit_prices(levels, 3)
    np.testing.assert_allclose((2.0**-prices.bits).sum(axis=1), 1)
    each = prices.of(levels)
    assert each[:100, :50].mean() == pytest.approx(np.log2(3), rel=0.03)
    assert each[100:].mean() < 0.02  # a row of zeros costs next to nothing
    assert prices.of(np.full((200, 100), 3))[0, 0] > 8
