"""Rounding that weighs error against bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.quantize.rate_distortion import cost, rate_distortion
from jaxcomp.quantize.scalar import bits_levels, codebook_levels, step_levels, ternary_levels
from tests.helpers import weights

QUANTIZERS = {
    "bits": lambda w: bits_levels(w, 5),
    "codebook": lambda w: codebook_levels(w, 9),
    "ternary": ternary_levels,
}


def entropy(levels):
    counts = np.unique(levels, return_counts=True)[1]
    return counts @ np.log2(levels.size / counts) / levels.size


@pytest.mark.parametrize("name", QUANTIZERS)
def test_without_a_price_it_is_the_nearest_level(name):
    w = np.random.default_rng(0).laplace(size=(30, 20))
    rounded = QUANTIZERS[name](w)
    assert rate_distortion(w, rounded, 0.0) is rounded


@pytest.mark.parametrize("name", QUANTIZERS)
def test_the_entropy_falls_and_the_error_rises_with_the_price(name):
    w = np.random.default_rng(0).laplace(size=(200, 100))
    rounded = QUANTIZERS[name](w)
    bits, errors = [], []
    for price in (0.02, 0.1, 0.3, 1.0, 3.0):
        q = rate_distortion(w, rounded, price)
        bits.append(entropy(q.levels))
        errors.append(np.sum((w - q.values()) ** 2))
    assert bits == sorted(bits, reverse=True)
    assert bits[-1] < 0.95 * bits[0]
    assert errors == sorted(errors)


@given(weights(), st.floats(0.001, 3))
def test_the_choice_costs_no_more_than_the_nearest_level(w, price):
    rounded = bits_levels(w, 4)
    q = rate_distortion(w, rounded, price)
    assert not q.levels[w == 0].any()
    assert cost(w, q, rounded, price) <= cost(w, rounded, rounded, price) * (1 + 1e-9) + 1e-9


def test_steps_of_slices_are_units_of_their_own():
    w = np.random.default_rng(0).laplace(size=(40, 30)) * np.logspace(-3, 3, 40)[:, None]
    q = rate_distortion(w, bits_levels(w, 4, axis=0), 0.1)
    zeros = (q.levels == 0).mean(axis=1)
    assert zeros.min() > 0.05
    assert zeros.max() < 0.8


def test_it_saves_more_than_a_coarser_step_at_the_same_error():
    w = np.random.default_rng(0).laplace(size=100_000)
    q = rate_distortion(w, step_levels(w, 0.5), 0.15)
    error = np.mean((w - q.values()) ** 2)
    steps = np.linspace(0.5, 2, 200)
    coarser = min(
        (step_levels(w, step) for step in steps),
        key=lambda r: abs(np.mean((w - r.values()) ** 2) - error),
    )
    assert entropy(q.levels) < entropy(coarser.levels) - 0.01


@pytest.mark.parametrize("sign", [-1, 1])
def test_codebooks_of_one_sign(sign):
    w = sign * (1 + np.random.default_rng(0).exponential(size=500))
    rounded = codebook_levels(w, 5)
    q = rate_distortion(w, rounded, 2.0)
    assert cost(w, q, rounded, 2.0) <= cost(w, rounded, rounded, 2.0)
    assert entropy(q.levels) < entropy(rounded.levels)


@pytest.mark.parametrize("price", [-1.0, float("inf"), float("nan")])
def test_bad_prices(price):
    with pytest.raises(ValueError, match=f"at least 0 and finite, got {price}"):
        rate_distortion(np.ones(3), ternary_levels(np.ones(3)), price)
