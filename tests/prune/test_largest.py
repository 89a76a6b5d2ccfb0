"""Selection without sorting, against sorting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp.prune import largest
from tests.helpers import sharded

# Of few lengths, since what is tested compiles for each one.
SCORES = hnp.arrays(np.float32, st.sampled_from([1, 6, 40]), elements=st.floats(0, 4, width=16))


def by_sorting(parts, k):
    flat = np.concatenate([part.ravel() for part in parts])
    keep = np.zeros(flat.size, bool)
    keep[np.argsort(-flat, kind="stable")[:k]] = True
    return np.split(keep, np.cumsum([part.size for part in parts])[:-1])


@given(st.lists(SCORES, min_size=1, max_size=3), st.data())
def test_keeps_what_a_stable_sort_puts_first(parts, data):
    k = data.draw(st.integers(0, sum(part.size for part in parts)))
    for got, expected in zip(jax.jit(largest)(parts, k), by_sorting(parts, k), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("scale", [1e-45, 1e-30, 1.0, 1e38])
def test_scores_of_any_size(scale):
    scores = np.float32(scale) * np.array([0, 1, 3, 2], np.float32)
    np.testing.assert_array_equal(largest([scores], 2)[0], [False, False, True, True])


def test_zeros_of_both_signs_are_ties():
    scores = np.array([0.0, -0.0, 0.0], np.float32)
    np.testing.assert_array_equal(largest([scores], 2)[0], [True, True, False])


def test_infinite_scores_come_first_and_nan_is_not_hidden():
    scores = np.array([1.0, np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(largest([scores], 1)[0], [False, False, True])
    np.testing.assert_array_equal(largest([scores], 2)[0], [False, True, True])


def test_k_may_be_traced_and_scores_narrow_and_sharded():
    scores = jax.random.uniform(jax.random.key(0), (16, 5)).astype(jnp.bfloat16)
    select = jax.jit(lambda scores, k: largest([scores], k)[0])
    for k in (0, 1, 17, 80):
        keep = select(sharded(scores), k)
        expected = by_sorting([np.asarray(scores, np.float32)], k)[0]
        np.testing.assert_array_equal(np.asarray(keep).ravel(), expected)
    assert select._cache_size() == 1
