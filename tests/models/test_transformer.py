"""The transformer sees what came before, and how far away it is."""

import jax
import numpy as np
import pytest

from jaxcomp.models import Transformer
from jaxcomp.models.transformer import rotated
from tests.models.variables import random_variables

pytestmark = pytest.mark.usefixtures("standard_promotion")
MODEL = Transformer(classes=7, width=16, heads=2)
TOKENS = np.random.default_rng(0).integers(0, 7, (2, 9))
apply = jax.jit(MODEL.apply)


@pytest.fixture(scope="module")
def variables():
    with jax.numpy_dtype_promotion("standard"):
        return random_variables(MODEL, TOKENS)


def test_no_place_sees_what_comes_after_it(variables):
    for place in range(9):
        changed = TOKENS.copy()
        changed[:, place] = (TOKENS[:, place] + 1) % 7
        before, after = (np.asarray(apply(variables, tokens)) for tokens in (TOKENS, changed))
        differs = np.abs(before - after).max(axis=(0, 2)) > 1e-6
        np.testing.assert_array_equal(differs, np.arange(9) >= place)


def test_the_order_of_what_came_before_matters(variables):
    swapped = TOKENS[:, [1, 0, *range(2, 9)]]
    one, other = (np.asarray(apply(variables, tokens))[:, -1] for tokens in (TOKENS, swapped))
    assert np.abs(one - other).max() > 1e-4


def test_products_of_rotated_vectors_depend_on_the_distance_alone():
    pair = np.random.default_rng(2).normal(size=(2, 8)).astype(np.float32)
    places = np.broadcast_to(pair[:, None, None], (2, 20, 1, 8))
    query, key = np.asarray(jax.jit(rotated)(places))[:, :, 0]
    products = query @ key.T
    for distance in range(-5, 6):
        along = np.diagonal(products, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-4, atol=1e-5)
    assert np.std(products[0]) > 0.1
    np.testing.assert_allclose(np.linalg.norm(query, axis=1), np.linalg.norm(pair[0]), rtol=1e-5)
