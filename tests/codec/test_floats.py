"""Floating-point numbers of many values: exact to the bit, and short where scales vary."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp import codec
from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.dtypes import FIELDS
from jaxcomp.codec.floats import code_floats, exponent_factors, relative_exponents
from jaxcomp.codec.many_valued import choose_floats

TYPES = [np.dtype(t).newbyteorder("<") for t in ("f2", "f4", "f8", ml_dtypes.bfloat16)]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@given(data=st.data())
def test_any_bits_are_exact(dtype, data):
    words = data.draw(hnp.arrays(f"<u{dtype.itemsize}", st.integers(0, 60)))
    values = words.view(dtype)
    exponents, highest = relative_exponents(values)
    raw = bytearray()
    encoder = Encoder(raw.extend)
    code_floats(encoder, dtype, highest, exponents, values)
    decoder = Decoder(encoder.finish(), bytes(raw))
    back = code_floats(decoder, dtype, highest, exponents, None)
    assert back.tobytes() == values.tobytes()
    assert decoder.raw_left == 0


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_exponents_are_those_of_the_numbers(dtype):
    w = np.random.default_rng(0).normal(size=(40, 50)).astype(dtype)
    exponents, highest = relative_exponents(w)
    bias = 2 ** (FIELDS[dtype.name][0] - 1) - 1
    expected = np.floor(np.log2(np.abs(w.astype(np.float64))))
    np.testing.assert_array_equal(exponents.astype(int) + highest - bias, expected)
    assert exponents.max() == 0


def test_factors_are_quarters_of_octaves():
    exponents = np.repeat([[0], [-1], [-4]], 6, axis=1).astype(np.int8)
    factors = exponent_factors(exponents, 0)
    np.testing.assert_array_equal(np.diff(factors), [-4, -12])
    np.testing.assert_array_equal(exponent_factors(exponents, -1), 32)


def stored_bits(path, w):
    return 8 * codec.save(path, {"w": w})


def entropy_bits(w):
    """Bits of normal numbers whose standard deviation is known, rounded to the type of w.

    The differential entropy is `log2(sigma sqrt(2 pi e))`, and a number takes `-log2` of the
    distance to its neighbors more.
    """
    _, mantissa_bits = FIELDS[w.dtype.name]
    wide = w.astype(np.float64)
    units = np.floor(np.log2(np.abs(wide))) - mantissa_bits
    return w.size * math.log2(wide.std() * math.sqrt(2 * math.pi * math.e)) - units.sum()


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_normal_numbers_take_little_more_than_their_entropy(tmp_path, dtype):
    w = np.random.default_rng(0).normal(size=(200, 300)).astype(np.float32).astype(dtype)
    w[w == 0] = 1
    assert stored_bits(tmp_path / "w.jxc", w) < 1.004 * entropy_bits(w)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)], ids=str)
def test_scales_of_rows_and_columns_are_found(tmp_path, axes):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(200, 300)).astype(np.float32).astype(ml_dtypes.bfloat16)
    gains = 1
    for axis in axes:
        shape = [1, 1]
        shape[axis] = w.shape[axis]
        gains = gains * 2.0 ** rng.integers(-2, 3, shape)
    scaled = (w.astype(np.float32) * gains).astype(w.dtype)
    assert choose_floats(scaled)[2] == axes
    # A factor takes up to five bits; what each class has is learned, for a hundred or so.
    told = 5 * sum(w.shape[axis] for axis in axes) + 100 * (16 * len(axes) + 1)
    alone, both = (stored_bits(tmp_path / "w.jxc", x) for x in (w, scaled))
    assert both < 1.002 * alone + told


def test_signs_that_are_all_the_same_cost_nothing(tmp_path):
    w = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    bits = [stored_bits(tmp_path / "w.jxc", x) for x in (w, np.abs(w))]
    assert bits[1] < bits[0] - 0.95 * w.size


def test_numbers_of_less_precision_than_their_type(tmp_path):
    w = np.random.default_rng(0).normal(size=(100, 100)).astype(ml_dtypes.bfloat16)
    narrow, wide = (codec.save(tmp_path / "w.jxc", {"w": x}) for x in (w, w.astype(np.float32)))
    assert wide < 1.01 * narrow
