"""Scores: what structure is worth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.prune import structured_magnitude

W = jnp.where(
    jax.random.bernoulli(jax.random.key(0), 0.3, (2, 5, 7)),
    jax.random.normal(jax.random.key(1), (2, 5, 7)),
    0,
)


def test_without_strength_it_is_the_magnitude():
    np.testing.assert_array_equal(structured_magnitude(0.0)(W), jnp.abs(W))


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_the_factor_is_the_chance_of_the_position(strength):
    on = np.asarray(W != 0, np.float64).reshape(10, 7)
    chance = np.outer(on.mean(axis=1), on.mean(axis=0)) / on.mean()
    expected = np.abs(W).reshape(10, 7) * np.minimum(chance, 1) ** strength
    got = structured_magnitude(strength)(W).reshape(10, 7)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_where_all_rows_and_columns_are_alike_only_magnitudes_count():
    w = jnp.array([[1.0, -2.0, 0.0], [0.0, 3.0, 4.0], [5.0, 0.0, -6.0]])
    score = structured_magnitude(0.5)(w)
    np.testing.assert_allclose(score, jnp.abs(w) * (2 / 3) ** 0.5, rtol=1e-6)


def test_zeros_score_zero_and_narrow_types_work():
    assert not structured_magnitude(0.5)(jnp.zeros((3, 4))).any()
    narrow = structured_magnitude(0.5)(W.astype(jnp.bfloat16))
    np.testing.assert_allclose(narrow, structured_magnitude(0.5)(W), rtol=2e-2)


@pytest.mark.parametrize("strength", [-1.0, float("nan")])
def test_bad_strength(strength):
    with pytest.raises(ValueError, match=f"not negative, got {strength}"):
        structured_magnitude(strength)
