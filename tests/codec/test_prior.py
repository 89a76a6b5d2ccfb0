"""The bell that levels are expected to follow, and where it makes files smaller."""

import math

import numpy as np
import pytest

from jaxcomp.codec import prior, write
from jaxcomp.codec.axes_choice import costs_of_axes
from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.counted import SEEN
from jaxcomp.codec.prior import FORMS, MIDDLE_CLASS, STRENGTHS, Prior
from jaxcomp.codec.prior_choice import _log_gamma, smallest_scaled
from jaxcomp.codec.scaled import slice_factors
from jaxcomp.codec.scheme import AXES, Scheme, code_levels

BOUNDS = (-127, 127)
NORMAL, LOGISTIC = 3, 2  # forms


def shares(scale, form, bounds=BOUNDS):
    scales = np.array([scale])
    return prior.shares(scales, form, bounds)[0] / 2**24


@pytest.mark.parametrize("form", range(FORMS))
@pytest.mark.parametrize("scale", [0, 20, 48, 80, 255])
def test_probabilities_are_symmetric_and_fall(scale, form):
    p = shares(scale, form)
    assert p.sum() == 1
    np.testing.assert_allclose(p, p[::-1], atol=2**-23)
    # The levels at the ends have the tails; integers are rounded.
    assert (np.diff(p[127:-1]) <= 0.02 * p[127:-2] + 2**-22).all()


@pytest.mark.parametrize("scale", [48, 60, 73])
def test_the_logistic_and_the_normal_distribution(scale):
    s = 2 ** (scale / 8) / 64  # in levels
    edges = np.arange(-127, 127) + 0.5
    logistic = 1 / (1 + np.exp(-edges / s))
    np.testing.assert_allclose(np.cumsum(shares(scale, LOGISTIC))[:-1], logistic, atol=1e-3)
    # Of the same slope at zero, which is 1 / (4 s) for the logistic distribution.
    sigma = 4 * s / math.sqrt(2 * math.pi)
    normal = [0.5 * (1 + math.erf(edge / sigma / math.sqrt(2))) for edge in edges]
    np.testing.assert_allclose(np.cumsum(shares(scale, NORMAL))[:-1], normal, atol=4e-3)


def test_forms_are_in_the_order_of_their_tails():
    beyond = [shares(64, form)[: 127 - 16].sum() for form in range(FORMS)]
    assert (np.diff(beyond) < 0).all()


def test_classes_are_quarters_of_octaves():
    weights = Prior(60, LOGISTIC, 3).weights(BOUNDS)
    np.testing.assert_array_equal(
        weights[MIDDLE_CLASS + 4], Prior(68, LOGISTIC, 3).weights(BOUNDS)[MIDDLE_CLASS]
    )
    assert weights[MIDDLE_CLASS + 4, 127] == pytest.approx(weights[MIDDLE_CLASS, 127] / 2, rel=0.05)


@pytest.mark.parametrize("strength", range(len(STRENGTHS)))
def test_weights_are_positive_and_as_strong_as_told(strength):
    weights = Prior(60, NORMAL, strength).weights(BOUNDS)[MIDDLE_CLASS]
    assert weights.min() >= 1
    assert weights.sum() == pytest.approx(SEEN * STRENGTHS[strength], abs=255)


def test_the_gamma_function():
    x = np.array([1 / 64, 0.5, 1, 2, 7.3, 100, 1e6])
    np.testing.assert_allclose(_log_gamma(x), [math.lgamma(one) for one in x], atol=1e-6)


def draws(rng, shape, sigma, bits=8):
    largest = 2 ** (bits - 1) - 1
    return np.rint(sigma * rng.normal(size=shape)).clip(-largest, largest).astype(np.int8)


def entropy_bytes(levels):
    counts = np.unique(levels, return_counts=True)[1]
    return counts @ np.log2(levels.size / counts) / 8


@pytest.mark.parametrize(("side", "excess"), [(32, 0.03), (64, 0.011), (128, 0.004)])
def test_draws_cost_what_their_distribution_is_worth(tmp_path, side, excess):
    levels = draws(np.random.default_rng(0), (side, side), 30)
    size = write(tmp_path / "w.jxc", {"w": (levels, np.array(0.1))})
    # The entropy of the frequencies is below that of the distribution by
    # (levels - 1) / (2 ln 2) bits (Miller and Madow), which no code can save.
    bias = (np.unique(levels).size - 1) / (2 * math.log(2)) / 8
    assert size < entropy_bytes(levels) + bias + excess * levels.size + 30


def chosen(levels, bounds):
    return smallest_scaled(levels, bounds, costs_of_axes(levels, bounds, slice_factors))


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)], ids=str)
def test_scales_of_small_arrays_are_found(axes):
    rng = np.random.default_rng(0)
    gains = 1
    for axis in axes:
        shape = [1, 1]
        shape[axis] = 64
        gains = gains * 2.0 ** rng.normal(size=shape)
    levels = draws(rng, (64, 64), 20 * gains)
    scheme = chosen(levels, (-127, 127))
    assert scheme.axes == axes
    assert scheme.prior is not None


def test_a_prior_is_not_told_where_it_does_not_pay():
    rng = np.random.default_rng(0)
    sparse = rng.choice(np.array([0, -9, 9, 4, -4], np.int8), (200, 200), p=[0.9, *[0.025] * 4])
    assert chosen(sparse, (-9, 9)) == Scheme(())
    ternary = np.sign(sparse)
    assert chosen(ternary, (-1, 1)) == Scheme(())


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_schemes_with_a_prior_are_exact(axes):
    levels = draws(np.random.default_rng(0), (5, 6, 7), 30)
    scheme = Scheme(axes, Prior(70, 1, 2))
    encoder = Encoder()
    code_levels(encoder, levels.shape, BOUNDS, scheme, {}, levels)
    back = code_levels(Decoder(encoder.finish()), levels.shape, BOUNDS, scheme, {}, None)
    np.testing.assert_array_equal(back, levels)
