"""Adaptive probabilities: the tables are beyond doubt, and the models learn."""

import numpy as np

from jaxcomp.codec.coder import PRECISION, Decoder, Encoder
from jaxcomp.codec.logistic import COUNT_UNIT, LOG, PROBABILITY, UNIT, Mixer, Odds, probability

HALF = 1 << (PRECISION - 1)


def entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def test_no_entry_of_a_table_is_near_a_rounding():
    # Another machine's logarithm may differ in the last bits; its tables must not.
    exact = UNIT * np.log(np.arange(1, len(LOG), dtype=np.float64))
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-7
    x = (np.arange(len(PROBABILITY)) - len(PROBABILITY) // 2) * 16 / UNIT
    exact = (1 << PRECISION) / (1 + np.exp(-x))
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-5


def test_tables_are_those_of_the_format():
    assert LOG[[1, 2, 3, 64, 1000]].tolist() == [0, 2839, 4500, 17035, 28294]
    assert LOG.sum(dtype=np.int64) == 12_035_366_409
    assert PROBABILITY.sum(dtype=np.int64) == 51_547_996_160


def test_probability_is_the_logistic_function():
    logits = np.linspace(-14 * UNIT, 14 * UNIT, 1001).astype(np.int64)
    exact = 1 / (1 + np.exp(-np.clip(logits / UNIT, -12, 12)))
    np.testing.assert_allclose(probability(logits) / 2**PRECISION, exact, rtol=0.006)
    assert probability(logits).min() > 0


def test_odds_are_those_of_the_posterior_mean():
    odds = Odds(3, round(0.2 * 2**PRECISION), 2 * COUNT_UNIT)
    context = np.array([0, 0, 0, 0, 2])
    odds.learn(context, np.array([True, False, True, True, False]))
    expected = np.log([(3 + 0.4) / (1 + 1.6), 0.4 / 1.6, 0.4 / (1 + 1.6)])
    np.testing.assert_allclose(odds.logits(np.arange(3)) / UNIT, expected, atol=0.03)


def test_odds_forget_rather_than_overflow():
    odds = Odds(1, HALF, COUNT_UNIT)
    context = np.zeros(50_000, np.int64)
    odds.learn(context, np.ones(50_000, bool))
    odds.learn(context, np.ones(50_000, bool))
    assert odds.logits(context[:1])[0] > 7 * UNIT
    for _ in range(3):
        odds.learn(context, np.zeros(50_000, bool))
    assert odds.logits(context[:1])[0] < 0


def test_a_mixer_finds_the_input_that_knows():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 50)) * UNIT
    noise = rng.normal(size=(200, 50)) * UNIT
    bits = rng.random((200, 50)) < 1 / (1 + np.exp(-truth / UNIT))
    encoder, mixer = Encoder(), Mixer((0.3, 0.3))
    for i in range(200):
        inputs = np.stack([truth[i], noise[i]]).astype(np.int64)
        mixer.code(encoder, inputs, 0, bits[i])
    ideal = entropy(1 / (1 + np.exp(-truth / UNIT))).sum()
    assert encoder.size < 1.03 * ideal + 32
    weights = mixer._weights / 65536
    assert abs(weights[0] - 1) < 0.15
    assert abs(weights[1]) < 0.15


def test_a_mixer_stays_within_64_bits_in_the_widest_row():
    width = 2**16
    inputs = np.full((2, width), 12 * UNIT, np.int64)
    bits = np.zeros(width, bool)
    encoder, mixer = Encoder(), Mixer((1.0, 1.0))
    mixer.code(encoder, inputs, 0, bits)
    assert min(mixer._curvature) > 0
    assert mixer._weights.max() < 65536
    back = Mixer((1.0, 1.0)).code(Decoder(encoder.finish()), inputs, 0, None)
    assert not back.any()
