"""Entries that are looked up: counted by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp import trace
from jaxcomp.tracing.sensitivities import output_sensitivities

RNG = np.random.default_rng(0)
TOKENS = RNG.integers(0, 7, (5, 4))


def half_square(y, targets):
    return jnp.square(y).sum(axis=-1) / 2


def found_of(apply, table):
    network = trace(apply, table, TOKENS)
    return output_sensitivities(network, table, [((TOKENS,), None)], half_square, jax.random.key(0))


@pytest.mark.parametrize(
    "apply",
    [
        lambda table, tokens: table[tokens],
        lambda table, tokens: jnp.take(table, tokens, axis=0),
        lambda table, tokens: table.T.T[tokens],
    ],
)
def test_rows_of_a_table(apply):
    """The derivative with respect to what is looked up is what is looked up."""
    table = RNG.normal(size=(7, 3)).astype(np.float32)
    by_token, by_feature = found_of(apply, table).lookups[0]
    squares = table[TOKENS] ** 2
    counts = np.array([(squares * (v == TOKENS)[..., None]).sum() for v in range(7)])
    np.testing.assert_allclose(by_token, counts / TOKENS.size, rtol=1e-4)
    np.testing.assert_allclose(by_feature, squares.sum(axis=(0, 1)) / TOKENS.size, rtol=1e-4)


def test_a_table_that_is_multiplied_too():
    """Inputs are then those of the product: features."""
    table = RNG.normal(size=(7, 3)).astype(np.float32)
    found = found_of(lambda table, tokens: table[tokens] @ table.T, table)
    by_feature, by_token = found.lookups[0]
    slopes = table[TOKENS] @ table.T @ table  # with respect to what is looked up
    np.testing.assert_allclose(by_feature, (slopes**2).sum((0, 1)) / TOKENS.size, rtol=1e-4)
    counts = np.array([((slopes**2) * (v == TOKENS)[..., None]).sum() for v in range(7)])
    np.testing.assert_allclose(by_token, counts / TOKENS.size, rtol=1e-4)
    assert found.products[0].shape == (1, 7, 7)
