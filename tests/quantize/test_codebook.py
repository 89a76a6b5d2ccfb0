"""Codebooks: optimal, exact where the weights are few-valued already."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp.quantize import codebook, step_of_bits, uniform
from jaxcomp.quantize.codebook import EXACT


def error(w, q):
    return float(np.sum((w.astype(np.float64) - q.astype(np.float64)) ** 2))


def best_error(w, levels):
    """Over all ways to cut the sorted values into `levels` runs."""
    v = np.sort(w.astype(np.float64))
    cuts = itertools.combinations(range(1, len(v)), levels - 1)
    return min(sum(p.var() * p.size for p in np.split(v, list(cut))) for cut in cuts)


@given(
    hnp.arrays(np.float32, st.integers(3, 8), elements=st.floats(0.125, 100, width=32)),
    st.integers(2, 3),
)
def test_no_other_codebook_is_closer(w, levels):
    q = codebook(w, levels)
    assert len(np.unique(q)) <= levels
    np.testing.assert_allclose(error(w, q), best_error(w, levels), rtol=1e-4, atol=1e-6)


def test_it_is_no_worse_than_the_uniform_grid_of_the_same_size():
    w = np.random.default_rng(0).laplace(size=3_000).astype(np.float32)
    for bits in (2, 3, 4):
        grid = np.asarray(uniform(jnp.asarray(w), step_of_bits(jnp.asarray(w), bits)))
        assert error(w, codebook(w, 2**bits - 1)) <= error(w, grid)


def test_zeros_stay_and_count_as_a_value():
    w = np.array([[0.0, 1.0, 1.1], [-2.0, 0.0, 5.0]], np.float32)
    q = codebook(w, 4)
    np.testing.assert_array_equal(q == 0, w == 0)
    np.testing.assert_allclose(q, [[0, 1.05, 1.05], [-2, 0, 5]], rtol=1e-6)


def test_few_valued_weights_are_left_exactly_alone():
    w = np.array([0.1, -0.1, 0.0, 0.1], np.float32)
    assert codebook(w, 3).tobytes() == w.tobytes()


@pytest.mark.parametrize("levels", [1, 257])
def test_bad_levels(levels):
    with pytest.raises(ValueError, match=f"from 2 to 256, got {levels}"):
        codebook(np.ones(3), levels)


@pytest.mark.parametrize("size", [2_000, EXACT + 1])
@pytest.mark.parametrize("giants", [[1e30], [-1e30], [-1e30, 1e30], [-1e30, 1e15]])
def test_weights_beside_giants_have_the_values_that_are_left(size, giants):
    w = np.random.default_rng(0).normal(size=size).astype(np.float32)
    together = np.concatenate([w, np.array(giants, np.float32)])
    q = codebook(together, 8 + len(giants))
    np.testing.assert_array_equal(q[size:], together[size:])
    np.testing.assert_array_equal(q[:size], codebook(w, 8))
