"""Independent symbols: exact, and as short as the entropy allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.counted import SEEN, code_counted


def coded(symbols, alphabet, **options):
    encoder = Encoder()
    code_counted(encoder, alphabet, symbols.size, symbols, **options)
    return encoder.finish()


@st.composite
def streams(draw):
    alphabet, low = draw(st.integers(1, 300)), draw(st.integers(-100, 0))
    size = draw(st.integers(0, 200))
    symbols = hnp.arrays(np.int16, size, elements=st.integers(low, low + alphabet - 1))
    return draw(symbols), alphabet, low


@given(streams())
def test_round_trip(stream):
    symbols, alphabet, low = stream
    decoder = Decoder(coded(symbols, alphabet, low=low))
    back = code_counted(decoder, alphabet, symbols.size, None, low=low)
    np.testing.assert_array_equal(back, symbols)


@pytest.mark.parametrize(
    "probabilities",
    [[0.95, 0.03, 0.02], [1 / 3] * 3, [0.5, 0.5], [0.9999, 0.0001], [1 / 256] * 256],
)
def test_length_is_near_the_entropy_without_a_table(probabilities):
    n, alphabet = 100_000, len(probabilities)
    symbols = np.random.default_rng(0).choice(alphabet, n, p=probabilities).astype(np.int16)
    frequencies = np.bincount(symbols, minlength=alphabet) / n
    used = frequencies[frequencies > 0]
    entropy = n * -np.sum(used * np.log2(used)) / 8
    # Each free frequency costs about half a logarithm of the number of symbols, and learning it
    # from blocks of growing length a little more.
    learning = (alphabet - 1) * np.log2(n) / 2 / 8
    assert entropy < len(coded(symbols, alphabet)) <= entropy + 1.5 * learning + 10


def test_a_good_prior_saves_what_learning_costs():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(64))
    symbols = rng.choice(64, 500, p=probabilities)
    prior = np.maximum(1, 1000 * SEEN * probabilities).astype(np.int64)
    assert len(coded(symbols, 64, prior=prior)) < len(coded(symbols, 64)) - 15
