"""The range coder, and the shortest end of its code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.codec.coder import PRECISION, Decoder, Encoder, MeteringDecoder
from jaxcomp.codec.errors import FormatError


@given(st.lists(st.tuples(st.integers(1, 2**PRECISION - 1), st.booleans()), max_size=60))
def test_bits_come_back_from_the_fewest_bytes(pairs):
    ones = np.array([p for p, _ in pairs], np.int32)
    bits = np.array([b for _, b in pairs], bool)
    encoder = Encoder()
    encoder.bits(ones, bits)
    code = encoder.finish()
    np.testing.assert_array_equal(Decoder(code).bits(ones, None), bits)
    chances = np.where(bits, ones, 2**PRECISION - ones) / 2**PRECISION
    assert len(code) <= -np.log2(chances).sum() / 8 + 1.1
    assert not code.endswith(b"\0")


def test_zeros_after_the_end_do_not_matter():
    encoder = Encoder()
    symbols = np.random.default_rng(0).integers(0, 5, 100)
    encoder.symbols(np.arange(1, 6), 100, symbols)
    code = encoder.finish() + bytes(10)
    np.testing.assert_array_equal(Decoder(code).symbols(np.arange(1, 6), 100, None), symbols)


def test_the_meter_reads_the_length_of_the_code():
    rng = np.random.default_rng(0)
    weights, ones = np.array([1, 10, 100]), rng.integers(1, 2**PRECISION, 2000)
    symbols, bits = rng.choice(3, 2000, p=weights / 111), rng.random(2000) < ones / 2**PRECISION
    encoder = Encoder()
    encoder.symbols(weights, 2000, symbols)
    encoder.bits(ones, bits)
    code = encoder.finish()
    meter = MeteringDecoder(code, b"raw")
    meter.symbols(weights, 2000, None)
    meter.bits(ones, None)
    assert meter.spent == pytest.approx(len(code), abs=1)
    before = meter.spent
    meter.raw(3, None)
    assert meter.spent == before + 3


def test_raw_bytes_that_are_not_there():
    with pytest.raises(FormatError, match="4 raw bytes are declared, 3 are left"):
        Decoder(b"", b"abc").raw(4, None)
