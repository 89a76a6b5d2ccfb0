"""Few-valued arrays as levels and a codebook, exactly."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp.codec.grid import fit_grid, multiples
from jaxcomp.codec.levels import MAX_VALUES, few_valued, few_valued_by_unit, negatives

FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]


@given(
    st.sampled_from(FLOATS),
    st.floats(1e-4, 1e4),
    hnp.arrays(np.int16, st.integers(1, 50), elements=st.integers(-127, 127)),
)
def test_multiples_of_a_step_are_found_again(dtype, step, levels):
    w = multiples(levels, np.array(step).astype(dtype))
    found = few_valued(w)
    assert found.values().tobytes() == w.tobytes()
    # Where two levels are next to each other and the type has room, that is the step.
    near = np.diff(np.unique(np.abs(np.append(levels, 0)))).min(initial=127) == 1
    near &= np.ptp(np.append(levels, 0)) <= 4 * np.unique(levels).size
    if near and dtype in (np.float32, np.float64):
        assert found.codebook.ndim == 0
        np.testing.assert_array_equal(found.levels, levels)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize(("largest", "count"), [(15, 25), (127, 150)])
def test_multiples_that_few_digits_have_rounded_are_found_again(dtype, largest, count):
    rng = np.random.default_rng(0)
    for step in rng.uniform(1, 2, size=200).astype(dtype):
        levels = rng.choice(np.arange(-largest, largest + 1), count, replace=False)
        found = few_valued(multiples(levels, step))
        assert found.codebook.shape == ()
        np.testing.assert_array_equal(found.levels, levels)


@given(
    hnp.arrays(np.uint32, st.integers(1, 40), elements=st.sampled_from(range(0, 2**32, 123456789)))
)
def test_any_bits_come_back(bits):
    w = bits.view(np.float32)  # NaNs, infinities, subnormal numbers and both zeros
    assert few_valued(w).values().tobytes() == w.tobytes()


def test_levels_count_from_zero_and_keep_the_order_of_values():
    w = np.array([[0.0, -2.5], [1.5, 4.75]], np.float32)
    levels, codebook = few_valued(w)
    np.testing.assert_array_equal(codebook, [-2.5, 0, 1.5, 4.75])
    np.testing.assert_array_equal(levels, [[0, -1], [1, 2]])
    assert negatives(codebook) == 1


def test_ternary_weights_are_multiples():
    levels, codebook = few_valued(np.array([0, -0.3, 0.3, 0], np.float32))
    assert codebook == np.float32(0.3)
    assert codebook.shape == ()
    np.testing.assert_array_equal(levels, [0, -1, 1, 0])


def test_integers_are_multiples_of_their_greatest_common_divisor():
    levels, codebook = few_valued(np.array([-30, 0, 45, 15], np.int64))
    assert codebook == 15
    np.testing.assert_array_equal(levels, [-2, 0, 3, 1])
    low, high = np.array([-(2**63)], np.int64), np.array([2**64 - 1], np.uint64)
    assert few_valued(low).values() == low
    assert few_valued(high).values() == high


@pytest.mark.parametrize("size", [MAX_VALUES, MAX_VALUES + 1, 10_000])
def test_more_values_than_256_are_none(size):
    w = np.random.default_rng(0).normal(size=size)
    many = np.concatenate([np.zeros(3_000_000), w, w])  # seen late, in several chunks
    found = few_valued(many)
    if size >= MAX_VALUES:  # and zero
        assert found is None
    assert (few_valued(w) is None) == (size > MAX_VALUES)


def test_values_far_from_any_grid_are_a_table():
    assert fit_grid(np.array([1.0, np.pi, 7.7])) is None
    assert fit_grid(np.array([1e-300, 1e300])) is None
    assert fit_grid(np.array([1.0, np.nan])) is None
    assert fit_grid(np.array([-0.0, 0.0, 1.0])) is None
    assert fit_grid(np.array([False, True])) is None


@pytest.mark.parametrize("dtype", [*FLOATS, np.int32])
@pytest.mark.parametrize("shape", [(50, 6), (3, 3, 8, 20)])
def test_steps_of_units_are_found_again(dtype, shape):
    rng = np.random.default_rng(0)
    levels = rng.integers(-2, 3, size=shape)
    levels[..., 0] = 0
    levels.reshape(-1, shape[-1])[0, 1:] = 1  # each unit has its step among its values
    steps = rng.uniform(1, 100, size=shape[-1]).astype(dtype)
    w = multiples(levels, steps)
    found = few_valued_by_unit(w)
    assert found.values().tobytes() == w.tobytes()
    np.testing.assert_array_equal(found.levels, levels)
    np.testing.assert_array_equal(found.codebook.ravel()[1:], steps[1:])


@pytest.mark.parametrize(
    "w",
    [
        np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32),
        np.array([[1.0, np.inf], [2.0, 1.0]], np.float32),
        np.array([[1.0, -0.0], [2.0, 1.0]], np.float32),
        np.array([[1.0, 0.5], [100.0, 1.0]], np.float32),
        np.ones(5, np.float32),
        np.ones((2, 2), bool),
    ],
    ids=["many values", "infinite", "minus zero", "far apart", "one axis", "bool"],
)
def test_what_has_no_steps_of_units(w):
    assert few_valued_by_unit(w) is None
