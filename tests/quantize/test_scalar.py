"""Quantizers of one array: levels whose values are near, fixed points, slices."""

import itertools

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxcomp
from jaxcomp.quantize.codebook import EXACT, codebook, fit_codebook
from jaxcomp.quantize.scalar import bits_levels, codebook_levels, step_levels, ternary_levels
from tests.checkpoints.claims import memory_of
from tests.helpers import weights

QUANTIZERS = {
    "ternary": ternary_levels,
    "bits": lambda w: bits_levels(w, 5),
    "step": lambda w: step_levels(w, 0.37),
    "codebook": lambda w: codebook_levels(w, 6),
}


@pytest.mark.parametrize("name", QUANTIZERS)
@given(w=weights())
def test_zeros_stay_and_rounding_twice_is_rounding_once(name, w):
    q = QUANTIZERS[name](w).values()
    assert not q[w == 0].any()
    assert q.dtype == w.dtype
    again = QUANTIZERS[name](q).values()
    np.testing.assert_allclose(again, q, rtol=1e-5, atol=1e-6 * np.abs(w).max())


@given(weights(), st.integers(2, 8))
def test_bits_bound_the_error_and_the_levels(w, bits):
    rounded = bits_levels(w, bits)
    top, largest = np.abs(w).max(), 2 ** (bits - 1) - 1
    assert np.abs(rounded.levels).max() == largest
    step = float(rounded.codebook)
    assert step <= top / largest * 1.0001
    # Within half a step of the weight, or of the largest level where the weight is beyond it.
    near = np.clip(w, -largest * step, largest * step)
    assert np.abs(rounded.values() - near).max() <= 0.5001 * step


def error(w, q):
    return float(np.sum((w.astype(np.float64) - q.astype(np.float64)) ** 2))


def of_the_largest(w, bits):
    """The nearest multiples of the step that the largest weight alone fixes."""
    step = np.abs(w).max() / (2 ** (bits - 1) - 1)
    return step * np.rint(w / step)


@given(weights(), st.integers(2, 8))
def test_no_step_that_the_largest_weight_fixes_is_better(w, bits):
    w = w.astype(np.float64)
    assert error(w, bits_levels(w, bits).values()) <= error(w, of_the_largest(w, bits)) * 1.001


@pytest.mark.parametrize("bits", [2, 3])
def test_where_the_largest_weight_would_lose_the_others_the_step_is_close_to_the_best(bits):
    w = np.random.default_rng(0).standard_t(2, size=3_000)
    assert error(w, of_the_largest(w, bits)) > 0.25 * error(w, 0 * w)
    largest = 2 ** (bits - 1) - 1
    steps = np.abs(w).max() / largest * np.linspace(0.01, 1, 1_000)[:, None]
    all_errors = np.sum((w - steps * np.clip(np.rint(w / steps), -largest, largest)) ** 2, axis=1)
    # Those that are tried are a sixth apart.
    assert error(w, bits_levels(w, bits).values()) < 1.05 * all_errors.min()


def test_one_outlier_does_not_take_the_levels_of_all_others():
    w = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    w[0] = 60
    others = slice(1, None)
    alone = np.linalg.norm(of_the_largest(w, 4)[others] - w[others])
    fitted = np.linalg.norm(bits_levels(w, 4).values()[others] - w[others])
    assert fitted < 0.3 * alone


@pytest.mark.parametrize("power", [1, 3])
def test_where_little_is_lost_the_largest_weight_fixes_the_step(power):
    w = np.random.default_rng(0).uniform(-1, 1, size=(300, 20)).astype(np.float32) ** power
    for axis in (None, 0, 1):
        top = np.abs(w).max(axis=None if axis is None else 1 - axis, keepdims=axis is not None)
        levels, step = bits_levels(w, 4, axis=axis)
        np.testing.assert_array_equal(step, (top.astype(np.float64) / 7).astype(np.float32))
        np.testing.assert_array_equal(levels, np.rint(w.astype(np.float64) / step))


def test_steps_of_weights_that_have_no_square():
    w = np.random.default_rng(0).normal(size=1_000)
    for scale in (2.0**900, 2.0**-900):
        for quantizer in QUANTIZERS["bits"], QUANTIZERS["codebook"], QUANTIZERS["ternary"]:
            np.testing.assert_array_equal(
                quantizer(scale * w).values() / scale, quantizer(w).values()
            )


def best_ternary(w):
    """The least squared error over all supports and the best level of each."""
    supports = itertools.product([False, True], repeat=w.size)
    magnitudes = np.abs(w.astype(np.float64))
    chosen = (magnitudes[list(on)] for on in supports if any(on))
    return np.sum(magnitudes**2) - max(part.sum() ** 2 / part.size for part in chosen)


@given(weights(max_size=8))
def test_no_other_ternary_array_is_closer(w):
    q = ternary_levels(w.astype(np.float64)).values()
    assert len(np.unique(np.abs(q[q != 0]))) <= 1
    np.testing.assert_allclose(error(w, q), best_ternary(w), atol=1e-9 * np.sum(w**2), rtol=1e-9)


def test_ternary_weights_have_the_level_of_the_theorem_and_stay():
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64, ml_dtypes.bfloat16):
        w = (rng.integers(-1, 2, size=(20, 30)) * 0.1).astype(dtype)
        assert ternary_levels(w).values().tobytes() == w.tobytes()
    _, step = ternary_levels(w.astype(np.float32))
    np.testing.assert_allclose(step, jaxcomp.ternary_level(jnp.asarray(w, jnp.float32)), rtol=1e-6)


def test_ternary_weights_of_a_gaussian_and_beside_one_large_one():
    w = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)

    def relative(w):
        return np.sqrt(error(w, ternary_levels(w).values()) / np.sum(w.astype(np.float64) ** 2))

    assert 0.43 < relative(w) < 0.44
    w[0, 0] = 1_000
    assert relative(w) < 1  # that of all zeros
    small = np.array([[1.0, 0.001, -0.002, 0.0]], np.float32)
    np.testing.assert_array_equal(ternary_levels(small).values(), [[1, 0, 0, 0]])


@pytest.mark.parametrize(
    "quantizer", [ternary_levels, lambda w, axis: bits_levels(w, 4, axis=axis)]
)
@pytest.mark.parametrize("axis", [0, -1])
def test_slices_are_rounded_each_by_itself(quantizer, axis):
    w = np.random.default_rng(0).normal(size=(6, 5, 4)) * np.arange(1, 5)
    w[:, :, 2] = 0
    whole = quantizer(w, axis=axis).values()
    for i in range(w.shape[axis]):
        part = quantizer(np.take(w, i, axis), axis=None).values()
        np.testing.assert_allclose(np.take(whole, i, axis), part, rtol=1e-12)


def test_half_precision_has_values_of_its_own_type():
    w = np.linspace(-1, 1, 100).astype(ml_dtypes.bfloat16)
    for quantizer in QUANTIZERS.values():
        q = quantizer(w).values()
        assert q.dtype == w.dtype
        assert np.abs(q.astype(np.float32) - w.astype(np.float32)).max() < 0.7


def test_a_sampled_codebook_is_almost_the_best():
    w = np.random.default_rng(0).laplace(size=EXACT + 70_000).astype(np.float32)

    def error(codebook):
        borders = (codebook[1:] + codebook[:-1]) / 2
        return np.sum((w - codebook[np.searchsorted(borders, w)]).astype(np.float64) ** 2)

    import kmeans1d

    best = np.array(kmeans1d.cluster(w.astype(np.float64), 8)[1], np.float32)
    assert error(fit_codebook(w, 8)) < 1.001 * error(best)


def test_a_codebook_as_an_array():
    w = np.array([[0.0, 1.0, 1.1], [-2.0, 0.0, 5.0]], np.float32)
    np.testing.assert_array_equal(codebook(w, 4), codebook_levels(w, 4).values())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda w: step_levels(w, 0.0), "positive and finite, got 0.0"),
        (lambda w: step_levels(w, float("nan")), "positive and finite, got nan"),
        (lambda w: step_levels(w, 1e-8), "more than 32767: give a larger step"),
        (lambda w: step_levels(w, 1e-60), "zero or infinite in type float32"),
        (lambda w: bits_levels(w, 1), "from 2 to 8, got 1"),
        (lambda w: bits_levels(w, 9), "from 2 to 8, got 9"),
        (lambda w: codebook_levels(w, 257), "from 2 to 256, got 257"),
    ],
)
def test_values_that_cannot_work(function, message):
    with pytest.raises(ValueError, match=message):
        function(np.ones(3, np.float32))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_arrays_without_entries(shape, axis):
    w = np.zeros(shape, np.float32)
    for quantizer in (ternary_levels, lambda w, axis: bits_levels(w, 4, axis=axis)):
        q = quantizer(w, axis=axis).values()
        assert (q.shape, q.dtype) == (shape, np.float32)


@pytest.mark.parametrize("shape", [(2048, 2048), (2**22,), (1, 2**22)])
def test_a_large_array_is_rounded_in_little_memory(shape):
    """A network may be as large as the memory: no copy of float64 is made."""
    w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    own = {"bits": lambda: bits_levels(w, 4), "step": lambda: step_levels(w, 0.01)}
    for name, rounding in own.items():
        assert memory_of(rounding) < 1.6 * w.nbytes, name
    few = bits_levels(w, 4)
    np.testing.assert_array_equal(few.levels, np.rint(w.astype(np.float64) / few.codebook))
