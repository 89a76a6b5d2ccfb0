"""Arrays of levels: both ways to code them are exact, and each is short where it should be."""

from math import comb, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp.codec.adaptive import MAX_MAGNITUDE, Settings
from jaxcomp.codec.choice import choose_scheme
from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.scheme import AXES, Scheme, code_levels


def coded(levels, scheme, hints=None):
    low, high = min(0, int(levels.min())), max(0, int(levels.max()))
    encoder = Encoder()
    code_levels(encoder, levels.shape, (low, high), scheme, dict(hints or {}), levels)
    code = encoder.finish()
    back = code_levels(Decoder(code), levels.shape, (low, high), scheme, dict(hints or {}), None)
    np.testing.assert_array_equal(back, levels)
    return code


def chosen(levels, hints=None):
    bounds = min(0, int(levels.min())), max(0, int(levels.max()))
    return choose_scheme(levels, bounds, hints or {})


schemes = st.one_of(
    st.sampled_from(AXES).map(Scheme),
    st.builds(
        Scheme,
        settings=st.builds(Settings, period=st.integers(1, 9), densities=st.booleans()),
        transposed=st.booleans(),
        by_last_axis=st.booleans(),
    ),
)
arrays = hnp.arrays(
    np.int16,
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=7),
    elements=st.sampled_from([0, 0, 0, 0, 1, -1, 2, -5, MAX_MAGNITUDE]),
)


@given(arrays, schemes)
def test_every_scheme_is_exact(levels, scheme):
    coded(levels, scheme)


@given(hnp.arrays(np.int16, st.integers(1, 60), elements=st.integers(-300, 300)))
def test_vectors_of_any_levels(levels):
    coded(levels, Scheme())
    coded(levels, chosen(levels))


@given(hnp.arrays(np.int8, st.integers(1, 60), elements=st.integers(0, 1)))
def test_patterns_of_vectors(levels):
    coded(levels, Scheme(settings=Settings(1, False)))


def ternary(rng, shape, density):
    return rng.choice([-1, 0, 1], shape, p=[density / 2, 1 - density, density / 2]).astype(np.int8)


def test_independent_levels_take_their_entropy():
    levels = ternary(np.random.default_rng(0), (300, 400), 0.1)
    counts = np.unique(levels, return_counts=True)[1]
    entropy = counts @ np.log2(levels.size / counts) / 8
    assert len(coded(levels, chosen(levels))) < 1.005 * entropy + 10


def test_dead_rows_and_columns_cost_their_pattern_only():
    rng = np.random.default_rng(0)
    levels = ternary(rng, (200, 150), 0.1)
    rows, columns = rng.permutation(200)[:120], rng.permutation(150)[:90]
    levels[rows], levels[:, columns] = 0, 0
    nonzeros = np.count_nonzero(levels)
    bits = log2(comb(200, 80)) + log2(comb(150, 60)) + log2(comb(80 * 60, nonzeros)) + nonzeros
    assert len(coded(levels, chosen(levels))) < bits / 8 + 25


def test_a_pattern_that_is_known_costs_little():
    rng = np.random.default_rng(0)
    alive = rng.random(300) < 0.5
    levels = ternary(rng, (300, 20), 0.3)
    levels[~alive] = 0
    alive = levels.any(axis=1)
    scheme = Scheme(settings=Settings(1, False))
    assert len(coded(levels, scheme, {300: alive})) < len(coded(levels, scheme)) - 25


def test_neighboring_rows_are_found_at_their_distance():
    rng = np.random.default_rng(0)
    pixels = np.repeat(np.repeat(ternary(rng, (7, 7, 40), 0.2), 4, axis=0), 4, axis=1)
    noise = rng.random(pixels.shape) < 0.9
    levels = (pixels * noise).reshape(784, 40)
    scheme = chosen(levels)
    assert scheme.settings.period == 28
    assert not scheme.transposed
    shuffled = rng.permutation(levels)
    assert len(coded(levels, scheme)) < 0.6 * len(coded(shuffled, chosen(shuffled)))


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_scales_of_slices_are_found(axes):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(300, 200))
    for axis in axes:
        shape = [1, 1]
        shape[axis] = w.shape[axis]
        w = w * np.exp(0.8 * rng.normal(size=shape))
    levels = np.rint(60 * w / np.abs(w).max()).astype(np.int8)
    scheme = chosen(levels)
    assert scheme.axes == axes
    assert len(coded(levels, scheme)) < 0.97 * len(coded(levels, Scheme()))


def test_scales_along_the_input_and_output_axes_of_both_layouts():
    rng = np.random.default_rng(0)
    gains = np.exp(rng.normal(size=(40, 30)))  # not a product, so only its margins matter
    w = rng.normal(size=(40, 30, 3, 3)) * gains.mean(0)[None, :, None, None]
    w = w * gains.mean(1)[:, None, None, None]
    levels = np.rint(100 * w / np.abs(w).max()).astype(np.int8)
    assert set(chosen(levels).axes) <= {0, 1}
    flax = np.ascontiguousarray(levels.transpose(2, 3, 1, 0))
    assert set(chosen(flax).axes) <= {-2, -1}


def test_levels_out_of_their_bounds_are_refused():
    levels = np.array([[0, -3], [3, 1]], np.int16)
    scheme = Scheme(settings=Settings(1, False))
    with pytest.raises(FormatError, match=r"from -3 to 3 are declared to be in \(-1, 3\)"):
        code_levels(Encoder(), levels.shape, (-1, 3), scheme, {}, levels)


@pytest.mark.parametrize("by_last_axis", [False, True])
@pytest.mark.parametrize("shape", [(4, 6), (5,), (), (2, 3, 4), (0, 3), (3, 0), (2, 0, 4), (0,)])
def test_an_array_is_a_matrix_of_all_its_entries(shape, by_last_axis):
    array = np.zeros(shape)
    rows, columns = Scheme(by_last_axis=by_last_axis).matrix_shape(shape)
    assert array.reshape(rows, columns).size == array.size
    if len(shape) > 1:
        assert (columns == shape[-1]) if by_last_axis else (rows == shape[0])


def test_zeros_alone_cost_nothing():
    levels = np.zeros((1000, 1000), np.int8)
    assert len(coded(levels, chosen(levels))) == 0
