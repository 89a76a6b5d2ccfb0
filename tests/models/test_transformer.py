"""The transformer sees what came before, and how far away it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.models import Transformer
from jaxcomp.models.transformer import rotated

pytestmark = pytest.mark.usefixtures("standard_promotion")
MODEL = Transformer(vocabulary=7, width=16, heads=2)
TOKENS = jax.random.randint(jax.random.key(0), (2, 9), 0, 7)


@pytest.fixture(scope="module")
def variables():
    with jax.numpy_dtype_promotion("standard"):
        return MODEL.init(jax.random.key(1), TOKENS)


def test_no_place_sees_what_comes_after_it(variables):
    for place in range(9):
        changed = TOKENS.at[:, place].set((TOKENS[:, place] + 1) % 7)
        before, after = (MODEL.apply(variables, tokens) for tokens in (TOKENS, changed))
        differs = jnp.abs(before - after).max(axis=(0, 2)) > 1e-6
        np.testing.assert_array_equal(differs, jnp.arange(9) >= place)


def test_the_order_of_what_came_before_matters(variables):
    swapped = TOKENS[:, jnp.array([1, 0, *range(2, 9)])]
    one, other = (MODEL.apply(variables, tokens)[:, -1] for tokens in (TOKENS, swapped))
    assert jnp.abs(one - other).max() > 1e-4


def test_products_of_rotated_vectors_depend_on_the_distance_alone():
    query, key = jax.random.normal(jax.random.key(2), (2, 8))
    turned = [rotated(jnp.broadcast_to(v, (1, 20, 1, 8)))[0, :, 0] for v in (query, key)]
    products = turned[0] @ turned[1].T
    for distance in range(-5, 6):
        along = jnp.diagonal(products, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-4, atol=1e-5)
    assert jnp.std(products[0]) > 0.1
    np.testing.assert_allclose(
        jnp.linalg.norm(turned[0], axis=1), jnp.linalg.norm(query), rtol=1e-5
    )
