"""The threshold of global pruning, found in passes over the tensors."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp.prune import top_k_mask
from jaxcomp.prune.streamed import keep_above, kth_largest, with_floor

tensors = st.lists(
    hnp.arrays(
        np.float32,
        st.sampled_from([(1, 1), (3, 6)]),  # few, since what is compared with compiles for each
        elements=st.sampled_from([0.0, -0.5, 0.5, 1.0, -1.0, 3e-40, 7.25, -1e30]),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.filterwarnings("ignore:nothing is left")
@given(tensors, st.floats(0.01, 1))
def test_the_same_weights_are_kept_as_with_all_in_memory(arrays, density):
    count = sum(a.size for a in arrays)
    threshold, ties = kth_largest(lambda: arrays, max(1, round(density * count)))
    kept = []
    for array in arrays:
        pruned, ties = keep_above(array, threshold, ties)
        kept.append(pruned)
    assert ties == 0
    params = {f"{i}": jnp.asarray(a) for i, a in enumerate(arrays)}
    expected = top_k_mask(params, density)
    for i, array in enumerate(arrays):
        if (np.abs(array) == np.float32(3e-40)).any():
            continue  # jax on CPU takes subnormal numbers for zeros
        np.testing.assert_array_equal(kept[i], np.where(expected[f"{i}"], array, 0))


def test_the_order_of_all_bits():
    w = np.random.default_rng(0).normal(size=10_001).astype(np.float32)
    magnitudes = np.sort(np.abs(w))[::-1]
    for k in (1, 2, 5_000, 10_001):
        assert kth_largest(lambda: [w[:77], w[77:]], k) == (magnitudes[k - 1], 1)


def test_what_has_no_rank():
    with pytest.raises(ValueError, match="not a number"):
        kth_largest(lambda: [np.array([1.0, np.nan])], 1)
    with pytest.raises(ValueError, match="from 1 to 2, got 3"):
        kth_largest(lambda: [np.ones(2)], 3)


@given(tensors, st.integers(0, 10))
def test_a_floor_puts_the_largest_before_all_others(arrays, count):
    for w in arrays:
        count = min(count, w.size)
        first = np.isinf(with_floor(w, count))
        assert first.sum() == min(count, np.count_nonzero(w))
        if 0 < first.sum() < w.size:
            assert np.abs(w)[first].min() >= np.abs(w)[~first].max()
        np.testing.assert_array_equal(with_floor(w, count)[~first], np.abs(w)[~first])
