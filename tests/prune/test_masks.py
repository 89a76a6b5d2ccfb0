"""Masks by magnitude: exact counts, ties, scopes, scale-freedom."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.losses import ternary_level
from jaxcomp.prune import apply_mask, threshold_mask, top_k_mask
from tests.helpers import small_params, weights


def count(tree):
    return sum(int(jnp.count_nonzero(leaf)) for leaf in jax.tree.leaves(tree))


def kernels(tree):
    return {name: layer["kernel"] for name, layer in tree.items()}


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
    scaled = jax.tree.map(lambda p: 1024 * p, params)
    one, other = (threshold_mask(p, 0.9, scope=scope) for p in (params, scaled))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_threshold_scopes_differ_in_the_level():
    params = {"large": jnp.full((2, 2), 10.0), "small": jnp.full((2, 2), 1.0)}
    assert count(threshold_mask(params, 0.5, scope="global")["small"]) == 0
    assert count(threshold_mask(params, 0.5, scope="tensor")["small"]) == 4


def test_zero_threshold_is_the_support():
    params = small_params()
    jax.tree.map(
        lambda keep, w: np.testing.assert_array_equal(keep, w != 0),
        kernels(threshold_mask(params, 0.0)),
        kernels(params),
    )


@pytest.mark.parametrize(
    "make_mask", [lambda p: top_k_mask(p, 0.1), lambda p: threshold_mask(p, 1.0)]
)
def test_biases_are_never_pruned_by_default(make_mask):
    keep = make_mask(small_params())
    assert all(layer["bias"].all() for layer in keep.values())


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
