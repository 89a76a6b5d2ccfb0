"""Patterns of pruning: counts, shapes of what is kept, and which."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.prune import Blocks, Entries, Inputs, OfEach, Units, top_k_mask

# [positions, inputs, outputs]
KERNEL = np.random.default_rng(0).normal(size=(3, 8, 12)).astype(np.float32)
PATTERNS = [Entries(), Blocks(4, 3), Units(), Inputs(), OfEach(4)]


def keep(pattern, density, params=KERNEL, scope="global"):
    return top_k_mask(params, density, scope=scope, pattern=pattern, mask=True)


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_half_is_half_and_all_is_all(pattern):
    assert int(keep(pattern, 0.5).sum()) == KERNEL.size // 2
    assert keep(pattern, 1.0).all()


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_something_is_always_left(pattern):
    assert keep(pattern, 1e-6).any()


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_density_may_be_traced(pattern):
    scores = [jnp.asarray(np.abs(KERNEL))]
    traced = jax.jit(lambda density: pattern.keep(scores, density, "tensor"))
    for density in (0.01, 0.25, 0.8):
        expected = pattern.keep(scores, density, "tensor")
        np.testing.assert_array_equal(traced(density)[0], expected[0])


def test_of_each_four_the_two_largest():
    mask = np.asarray(keep(OfEach(4), 0.5)).reshape(3, 2, 4, 12)
    magnitudes = np.abs(KERNEL).reshape(3, 2, 4, 12)
    assert (mask.sum(axis=2) == 2).all()
    smallest_kept = np.where(mask, magnitudes, np.inf).min(axis=2)
    largest_dropped = np.where(mask, -np.inf, magnitudes).max(axis=2)
    assert (smallest_kept > largest_dropped).all()


def test_of_each_breaks_ties_by_order():
    mask = keep(OfEach(4), 0.5, jnp.ones((4, 1)))
    np.testing.assert_array_equal(mask[:, 0], [True, True, False, False])


def test_blocks_are_whole_and_the_strongest():
    kernel = jnp.ones((8, 6)).at[4:, :3].set(2.0).at[0, 3].set(5.0)
    mask = np.asarray(keep(Blocks(4, 3), 0.25, kernel))
    expected = np.zeros((8, 6), bool)
    expected[4:, :3] = True  # its mean is 2; that of the block with a 5 is 1.33
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(("pattern", "axes"), [(Units(), (0, 1)), (Inputs(), (0, 2))])
def test_units_are_whole_and_the_strongest(pattern, axes):
    mask = np.asarray(keep(pattern, 0.25))
    kept, means = mask.any(axis=axes), np.abs(KERNEL).mean(axis=axes)
    np.testing.assert_array_equal(kept, mask.all(axis=axes))
    assert means[kept].min() > means[~kept].max()


@pytest.mark.filterwarnings("ignore:nothing is left of '0'")
def test_units_of_tensors_are_ranked_together_or_apart():
    params = [jnp.full((2, 4), 1.0), jnp.full((2, 4), 2.0)]
    together = keep(Units(), 0.5, params)
    assert [int(m.sum()) for m in together] == [0, 8]
    apart = keep(Units(), 0.5, params, scope="tensor")
    assert [int(m.sum()) for m in apart] == [4, 4]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"blocks of 3 x 3 do not tile.*\(3, 8, 12\)"):
        keep(Blocks(3, 3), 0.5)
    with pytest.raises(ValueError, match=r"groups of 5 do not divide.*\(3, 8, 12\)"):
        keep(OfEach(5), 0.5)
    for pattern in (Units(), Inputs(), OfEach(4)):
        with pytest.raises(ValueError, match=r"'0' has shape \(4,\), and no inputs: groups"):
            keep(pattern, 0.5, [jnp.ones(4)])
    with pytest.raises(ValueError, match=r"unknown scope 'unit'.*'tensor', 'global'"):
        keep(OfEach(4), 0.5, scope="unit")
