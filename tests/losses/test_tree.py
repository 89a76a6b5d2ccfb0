"""Scopes and masks of the loss of a tree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.losses import compressibility, compressibility_tree, level_tree, ternary_level
from tests.helpers import IDENTITY, small_params


@pytest.fixture
def params():
    return small_params()


def kernels(params):
    return [params["Dense_0"]["kernel"], params["Dense_1"]["kernel"]]


@pytest.mark.parametrize(
    ("of_tree", "of_vector"), [(compressibility_tree, compressibility), (level_tree, ternary_level)]
)
def test_scopes_reduce_to_the_vector_version(params, of_tree, of_vector):
    flat = jnp.concatenate([k.ravel() for k in kernels(params)])
    np.testing.assert_allclose(of_tree(params), of_vector(flat), rtol=IDENTITY)
    np.testing.assert_allclose(
        of_tree(params, scope="tensor"), sum(map(of_vector, kernels(params))), rtol=IDENTITY
    )


def test_leaves_of_very_different_size_share_one_scale():
    params = {
        "a": jnp.full((2, 2), 1e30),
        "b": jnp.full((2, 2), 1e30),
        "c": jnp.full((2, 2), 1e-30),
    }
    np.testing.assert_allclose(compressibility_tree(params), np.sqrt(8), rtol=IDENTITY)


def test_default_mask_leaves_biases_out(params):
    slopes = jax.grad(compressibility_tree)(params)
    assert not slopes["Dense_0"]["bias"].any()
    assert slopes["Dense_0"]["kernel"].any()


@pytest.mark.parametrize(
    "mask",
    [
        {"Dense_0": True, "Dense_1": False},
        lambda params: {"Dense_0": True, "Dense_1": False},
        {"Dense_0": {"kernel": True, "bias": True}, "Dense_1": {"kernel": False, "bias": False}},
    ],
    ids=["prefix", "function", "full"],
)
def test_masks_in_all_forms(params, mask):
    expected = compressibility_tree(params["Dense_0"], mask=True)
    np.testing.assert_allclose(compressibility_tree(params, mask=mask), expected, rtol=IDENTITY)


def test_mixed_types_are_taken_in_the_widest(params):
    params["Dense_0"]["kernel"] = params["Dense_0"]["kernel"].astype(jnp.bfloat16)
    assert compressibility_tree(params).dtype == jnp.float32


def test_unknown_scope_names_the_choices(params):
    with pytest.raises(ValueError, match=r"'layer'.*'tensor', 'global'"):
        compressibility_tree(params, scope="layer")


def test_a_mask_that_selects_nothing_is_refused(params):
    with pytest.raises(ValueError, match=r"selects none of the leaves.*Dense_0/bias"):
        compressibility_tree(params, mask=False)


def test_a_mask_of_another_structure_is_refused(params):
    with pytest.raises(ValueError, match="tree structure"):
        compressibility_tree(params, mask={"Dense_0": True})
