"""Critical points: found where they are, and called what they are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.analysis import critical
from jaxcomp.losses import ternary_level
from tests.helpers import IDENTITY_X64

pytestmark = pytest.mark.usefixtures("x64")


classify = jax.jit(critical.classify, static_argnums=1)
newton_on_support = jax.jit(critical.newton_on_support, static_argnums=1, static_argnames="steps")
descend = jax.jit(critical.descend, static_argnums=1)


@pytest.fixture
def w():
    return np.array([0.0, 3.0, -0.1, 0.0, 1.0, -2.0])


def test_newton_ends_at_the_ternary_vector_of_the_same_signs_in_one_step(w):
    found = np.asarray(newton_on_support(w, steps=1))
    np.testing.assert_allclose(found / found.max(), np.sign(w), atol=IDENTITY_X64)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_ternary_vectors_are_saddles_unless_one_entry_is_left(k):
    kind = classify(np.where(np.arange(6) < k, -0.7, 0.0))
    assert (int(kind.nonzeros), int(kind.negative), int(kind.flat)) == (k, k - 1, 1)
    np.testing.assert_allclose(kind.slope, 1)
    assert float(kind.gradient) < IDENTITY_X64
    assert bool(kind.is_saddle) == (k > 1)
    assert bool(kind.is_minimum) == (k == 1)


def test_a_vector_without_zeros_has_no_kinks():
    kind = classify(np.ones(6))
    assert kind.slope == np.inf
    assert not kind.is_saddle  # a maximum, up to scale


def test_descent_on_the_loss_alone_leaves_the_largest_entry(w):
    end, steps = descend(w, rate=0.02, max_steps=10_000)
    np.testing.assert_allclose(end, [0, 1, 0, 0, 0, 0], atol=IDENTITY_X64)
    assert 0 < int(steps) < 10_000


def test_descent_from_a_saddle_stays_there_for_lack_of_a_direction():
    start = np.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    end, steps = descend(start, rate=0.01, max_steps=50)
    np.testing.assert_allclose(np.abs(end), np.sqrt(0.5) * np.abs(start), rtol=IDENTITY_X64)
    assert int(steps) == 50


def test_a_data_term_holds_several_entries_and_shows_how_hard(w):
    """On |w - v|^2 / 2: the stationary point obeys the composite condition, by hand."""
    target, weight = w, 0.2

    def data_term(w):
        return jnp.sum((w - target) ** 2) / 2

    end, _ = descend(target, data_term, weight, rate=0.1, max_steps=2_000)
    end = newton_on_support(end, data_term, weight)
    kind = classify(end, data_term, weight)
    end = np.asarray(end)
    assert bool(kind.is_minimum)
    assert int(kind.nonzeros) == 4
    on, r = end != 0, np.linalg.norm(end)
    left = np.abs(end) / float(ternary_level(end))
    right = 1 + r / weight * np.sign(end) * (end - target)
    np.testing.assert_allclose(left[on], right[on], atol=1e-10)


def test_entries_are_set_to_zero_where_they_would_cross_it_and_come_back_if_pulled():
    def data_term(w):
        return jnp.sum((w - np.array([1.0, 1.0, 0.01])) ** 2) / 2

    start = np.array([1.0, 0.0, 0.5])  # the second has to leave zero, the third has to reach it
    end, _ = descend(start, data_term, 0.2, rate=0.1, max_steps=2_000)
    assert end[1] > 0.5
    assert end[2] == 0


def test_the_kink_holds_a_zero_against_a_weaker_pull():
    def data_term(w):
        return jnp.sum((w - np.array([1.0, 0.1])) ** 2) / 2

    start = np.array([1.0, 0.0])  # a pull of 0.1 against weight / r = 0.2
    end, steps = descend(start, data_term, 0.2, rate=0.1, max_steps=1)
    assert (end[1], int(steps)) == (0, 0)  # it rests at once
    np.testing.assert_allclose(classify(start, data_term, 0.2).slope, 0.5)


def test_the_kind_of_a_point_does_not_depend_on_the_units_of_the_objective(w):
    def kind(scale):
        return classify(w, lambda x: scale * jnp.sum((x - 1) ** 2) / 2, 0.2 * scale)

    one, small = kind(1.0), kind(1e-8)
    assert (int(one.negative), int(one.flat)) == (int(small.negative), int(small.flat)) != (0, 4)
    np.testing.assert_allclose(small.slope, one.slope, rtol=IDENTITY_X64)


@pytest.mark.parametrize(("pull", "left"), [(0.05, 0), (0.15, 0.05), (-0.15, -0.05)])
def test_at_a_zero_the_shortest_subgradient_is_what_the_kink_does_not_hold(pull, left):
    w = np.array([2.0, 0.0])  # it holds against weight / r = 0.1
    found = critical.shortest_subgradient(w, lambda x: pull * x[1], 0.2)
    np.testing.assert_allclose(found, [0, left], atol=IDENTITY_X64)


def test_batches(w):
    batch = np.stack([w, -w, 2 * w])
    ends, _ = jax.vmap(partial(descend, rate=0.02, max_steps=10_000))(batch)
    np.testing.assert_array_equal(np.count_nonzero(ends, axis=1), 1)
    kinds = jax.vmap(classify)(jax.vmap(newton_on_support)(batch))
    np.testing.assert_array_equal(kinds.negative, 3)
