"""The coder: exact, and as short as the entropy allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp.codec.entropy import decode, encode
from jaxcomp.codec.errors import FormatError


@st.composite
def streams(draw):
    alphabet = draw(st.integers(1, 256))
    size = draw(st.integers(0, 200))
    return draw(hnp.arrays(np.uint8, size, elements=st.integers(0, alphabet - 1))), alphabet


@given(streams())
def test_round_trip(stream):
    levels, alphabet = stream
    np.testing.assert_array_equal(decode(encode(levels, alphabet), levels.size, alphabet), levels)


@pytest.mark.parametrize(
    "probabilities",
    [[0.95, 0.03, 0.02], [1 / 3] * 3, [0.5, 0.5], [0.9999, 0.0001], [1 / 256] * 256],
)
def test_length_is_near_the_entropy(probabilities):
    n, alphabet = 100_000, len(probabilities)
    levels = np.random.default_rng(0).choice(alphabet, n, p=probabilities).astype(np.uint8)
    frequencies = np.bincount(levels, minlength=alphabet) / n
    used = frequencies[frequencies > 0]
    entropy_bytes = n * -np.sum(used * np.log2(used)) / 8
    table_bytes = 3 * (alphabet - 1)
    assert entropy_bytes < len(encode(levels, alphabet)) <= 1.001 * entropy_bytes + table_bytes + 8


def test_counts_that_do_not_add_up_are_refused():
    payload = encode(np.array([0, 1, 1, 2], np.uint8), 3)
    with pytest.raises(FormatError, match="more than the 2 weights declared"):
        decode(payload, 2, 3)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "count is cut off"),
        (b"\x80\x80", "count is cut off"),
        (b"\xff" * 8, "larger than any tensor"),
        (b"\x01\x01abc", "not a multiple of 4"),
        (b"\x01\x01", "do not have the counts|not a valid code"),
    ],
)
def test_a_payload_of_other_bytes_is_refused(payload, message):
    with pytest.raises(FormatError, match=message):
        decode(payload, 4, 3)


@given(st.binary(max_size=40), st.integers(0, 50), st.integers(1, 5))
def test_any_bytes_give_levels_with_their_declared_counts_or_the_named_error(data, count, alphabet):
    try:
        levels = decode(data, count, alphabet)
    except FormatError:
        return
    assert levels.shape == (count,)
    assert count == 0 or 0 <= levels.min() <= levels.max() < alphabet
