"""Masks by magnitude: exact counts, ties, scopes, scale-freedom."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.losses import ternary_level
from jaxcomp.prune import Blocks, OfEach, Units, apply_mask, threshold_mask, top_k_mask
from tests.helpers import small_params, weights


def count(tree):
    return sum(np.count_nonzero(leaf) for leaf in jax.tree.leaves(tree))


def kernels(tree):
    return {name: layer["kernel"] for name, layer in tree.items()}


@pytest.mark.filterwarnings("ignore:nothing is left of")
@pytest.mark.parametrize("density", [0.01, 0.1, 0.5, 1.0])
def test_top_k_keeps_exactly_the_share_asked_for(density):
    keep = kernels(top_k_mask(small_params(), density))
    assert count(keep) == max(1, round(density * 32))  # 5 x 4 + 4 x 3 weights


def test_top_k_per_tensor_keeps_the_share_of_each():
    keep = kernels(top_k_mask(small_params(), 0.25, scope="tensor"))
    assert {name: count(k) for name, k in keep.items()} == {"Dense_0": 5, "Dense_1": 3}


@given(weights(), st.floats(0.01, 1.0))
def test_top_k_keeps_no_weight_smaller_than_one_it_drops(w, density):
    keep = np.asarray(top_k_mask(w, density, mask=True))
    if not keep.all():
        assert abs(w[keep]).min() >= abs(w[~keep]).max()


def test_ties_are_broken_by_order_so_that_the_count_is_exact():
    params = {"a": jnp.full((2, 2), 3.0), "b": jnp.full((2, 2), -3.0)}
    keep = top_k_mask(params, 0.625)
    np.testing.assert_array_equal(keep["a"], np.ones((2, 2), bool))
    np.testing.assert_array_equal(keep["b"], [[True, False], [False, False]])


@pytest.mark.filterwarnings("ignore:nothing is left of 'small'")
def test_global_ranking_compares_tensors():
    params = {"large": jnp.full((2, 2), 10.0), "small": jnp.full((2, 2), 1.0)}
    keep = top_k_mask(params, 0.5)
    assert (count(keep["large"]), count(keep["small"])) == (4, 0)


@given(weights(), st.floats(0.0, 2.0))
def test_threshold_is_in_units_of_the_ternary_level(w, threshold):
    bound = threshold * float(ternary_level(w))
    keep = np.asarray(threshold_mask(w, threshold, mask=True))
    near = np.isclose(abs(w), bound, rtol=1e-5)
    np.testing.assert_array_equal(keep[~near], ((abs(w) > bound) & (w != 0))[~near])


@pytest.mark.parametrize("scope", ["tensor", "global"])
def test_threshold_does_not_see_the_scale(scope):
    params = small_params()
    scaled = jax.tree.map(lambda p: 1024 * np.asarray(p), params)
    one, other = (threshold_mask(p, 0.9, scope=scope) for p in (params, scaled))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_threshold_scopes_differ_in_the_level():
    params = {"large": jnp.full((2, 2), 10.0), "small": jnp.full((2, 2), 1.0)}
    assert count(threshold_mask(params, 0.5, scope="global")["small"]) == 0
    assert count(threshold_mask(params, 0.5, scope="tensor")["small"]) == 4


def test_zero_threshold_is_the_support():
    params = small_params()
    jax.tree.map(
        lambda keep, w: np.testing.assert_array_equal(keep, np.asarray(w) != 0),
        kernels(threshold_mask(params, 0.0)),
        kernels(params),
    )


@pytest.mark.parametrize(
    "make_mask", [lambda p: top_k_mask(p, 0.25), lambda p: threshold_mask(p, 1.0)]
)
def test_biases_are_never_pruned_by_default(make_mask):
    keep = make_mask(small_params())
    assert all(np.all(layer["bias"]) for layer in keep.values())


def test_apply_mask_gives_exact_zeros_and_leaves_the_rest_alone():
    params = {"kernel": jnp.array([[1.5, -2.0], [jnp.inf, 0.25]], jnp.bfloat16)}
    keep = {"kernel": jnp.array([[True, False], [False, True]])}
    pruned = apply_mask(params, keep)["kernel"]
    assert pruned.dtype == jnp.bfloat16
    np.testing.assert_array_equal(pruned.astype(jnp.float32), [[1.5, 0.0], [0.0, 0.25]])


@pytest.mark.parametrize("density", [0.0, -0.1, 1.5, float("nan")])
def test_bad_density(density):
    with pytest.raises(
        ValueError, match=rf"fraction of weights to keep, in \(0, 1\], got {density}"
    ):
        top_k_mask(small_params(), density)


@pytest.mark.parametrize("threshold", [-0.1, float("nan")])
def test_bad_threshold(threshold):
    with pytest.raises(ValueError, match=f"at least 0 and finite, got {threshold}"):
        threshold_mask(small_params(), threshold)


@pytest.mark.parametrize("prune", [threshold_mask, top_k_mask])
def test_bad_scope_and_empty_selection(prune):
    with pytest.raises(ValueError, match=r"'row'.*'tensor', 'global'"):
        prune(small_params(), 0.5, scope="row")
    with pytest.raises(ValueError, match="selects none"):
        prune(small_params(), 0.5, mask=False)


def of_two_scales():
    w = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    return {"fc1": w, "fc2": np.float32(0.001) * w[:250]}


def test_a_tensor_of_which_nothing_is_left_is_named():
    with pytest.warns(UserWarning, match=r"nothing is left of 'fc2': .*`floor`"):
        top_k_mask(of_two_scales(), 0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        top_k_mask(of_two_scales(), 0.9)
        top_k_mask({"zero": jnp.zeros((2, 2)), "w": jnp.ones((2, 2))}, 0.5)  # it had nothing
        jax.jit(lambda p: top_k_mask(p, 0.05))(of_two_scales())


@pytest.mark.parametrize(("density", "floor"), [(0.05, 0.01), (0.05, 0.05), (0.3, 0.1)])
def test_a_floor_keeps_the_largest_of_each_tensor_and_the_count(density, floor):
    params = of_two_scales()
    keep = top_k_mask(params, density, floor=floor)
    assert count(keep) == round(density * 1_500)
    for name, w in params.items():
        kept = np.asarray(keep[name])
        assert kept.sum() >= round(floor * w.size)
        assert abs(w)[kept].min() >= abs(w)[~kept].max()


def test_a_floor_keeps_one_weight_of_each_tensor_even_beyond_the_density():
    params = {str(i): 10.0**i * jnp.ones((2, 3)) for i in range(5)}
    assert all(count(k) == 1 for k in top_k_mask(params, 0.01, floor=0.01).values())


@pytest.mark.parametrize("pattern", [Blocks(2, 1), Units(), OfEach(4)])
def test_a_floor_of_blocks_units_and_groups(pattern):
    params = {"a": 100 + jnp.arange(32.0).reshape(8, 4), "b": 1 + jnp.arange(32.0).reshape(8, 4)}
    keep = top_k_mask(params, 0.5, floor=0.25, pattern=pattern)
    assert count(keep) == 32
    assert min(count(k) for k in keep.values()) >= 8


@pytest.mark.parametrize("floor", [-0.1, 0.6, float("nan")])
def test_bad_floor(floor):
    with pytest.raises(ValueError, match=f"from 0 to the density 0.5, got {floor}"):
        top_k_mask(small_params(), 0.5, floor=floor)
