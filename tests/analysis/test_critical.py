"""Critical points: found where they are, and called what they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.analysis import critical
from jaxcomp.losses import ternary_level
from tests.helpers import IDENTITY_X64

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def w():
    return jnp.array([0.0, 3.0, -0.1, 0.0, 1.0, -2.0])


def test_newton_ends_at_the_ternary_vector_of_the_same_signs_in_one_step(w):
    found = critical.newton_on_support(w, steps=1)
    np.testing.assert_allclose(found / jnp.max(found), jnp.sign(w), atol=IDENTITY_X64)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_ternary_vectors_are_saddles_unless_one_entry_is_left(k):
    w = jnp.zeros(8).at[jnp.arange(k)].set(-0.7)
    kind = critical.classify(w)
    assert (int(kind.nonzeros), int(kind.negative), int(kind.flat)) == (k, k - 1, 1)
    np.testing.assert_allclose(kind.slope, 1)
    assert float(kind.gradient) < IDENTITY_X64
    assert bool(kind.is_saddle) == (k > 1)
    assert bool(kind.is_minimum) == (k == 1)


def test_a_vector_without_zeros_has_no_kinks():
    kind = critical.classify(jnp.ones(3))
    assert kind.slope == jnp.inf
    assert not kind.is_saddle  # a maximum, up to scale


def test_descent_on_the_loss_alone_leaves_the_largest_entry(w):
    end, steps = critical.descend(w, rate=0.02, max_steps=10_000)
    np.testing.assert_allclose(end, [0, 1, 0, 0, 0, 0], atol=IDENTITY_X64)
    assert 0 < int(steps) < 10_000


def test_descent_from_a_saddle_stays_there_for_lack_of_a_direction():
    end, steps = critical.descend(jnp.array([1.0, -1.0]), rate=0.01, max_steps=50)
    np.testing.assert_allclose(jnp.abs(end), np.sqrt(0.5), rtol=IDENTITY_X64)
    assert int(steps) == 50


def test_a_data_term_holds_several_entries_and_shows_how_hard(w):
    """On |w - v|^2 / 2: the stationary point obeys the composite condition, by hand."""
    target, weight = w, 0.2

    def data_term(w):
        return jnp.sum((w - target) ** 2) / 2

    end, _ = critical.descend(target, data_term, weight, rate=0.1, max_steps=2_000)
    end = critical.newton_on_support(end, data_term, weight)
    kind = critical.classify(end, data_term, weight)
    assert bool(kind.is_minimum)
    assert int(kind.nonzeros) == 4
    on, r = np.asarray(end != 0), jnp.linalg.norm(end)
    left = jnp.abs(end) / ternary_level(end)
    right = 1 + r / weight * jnp.sign(end) * (end - target)
    np.testing.assert_allclose(left[on], right[on], atol=1e-10)


def test_entries_are_set_to_zero_where_they_would_cross_it_and_come_back_if_pulled():
    def data_term(w):
        return jnp.sum((w - jnp.array([1.0, 1.0, 0.01])) ** 2) / 2

    start = jnp.array([1.0, 0.0, 0.5])  # the second has to leave zero, the third has to reach it
    end, _ = critical.descend(start, data_term, 0.2, rate=0.1, max_steps=2_000)
    assert end[1] > 0.5
    assert end[2] == 0


def test_the_kink_holds_a_zero_against_a_weaker_pull():
    def data_term(w):
        return jnp.sum((w - jnp.array([1.0, 0.1])) ** 2) / 2

    start = jnp.array([1.0, 0.0])  # a pull of 0.1 against weight / r = 0.2
    end, steps = critical.descend(start, data_term, 0.2, rate=0.1, max_steps=1)
    assert (end[1], int(steps)) == (0, 0)  # it rests at once
    np.testing.assert_allclose(critical.classify(start, data_term, 0.2).slope, 0.5)


def test_batches(w):
    batch = jnp.stack([w, -w, 2 * w])
    ends, _ = jax.vmap(lambda w: critical.descend(w, rate=0.02, max_steps=10_000))(batch)
    np.testing.assert_array_equal(np.count_nonzero(ends, axis=1), 1)
    found = jax.vmap(critical.newton_on_support)(batch)
    kinds = jax.vmap(critical.classify)(found)
    np.testing.assert_array_equal(kinds.negative, 3)
