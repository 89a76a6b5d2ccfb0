"""From the names of a configuration to a transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.configuration import DEFAULT, load
from experiments.penalty import GATES, NAMES, PROX, method_of
from jaxcomp.losses import level_tree, penalty_tree
from tests.helpers import small_params


def gradient(**changes):
    settings = load(DEFAULT).penalty
    settings.update({"magnitude": 0.0, **changes})
    tx, params = method_of(settings).before, small_params()
    zeros = jax.tree.map(jnp.zeros_like, params)
    return tx.update(zeros, tx.init(params), params)[0]


def assert_close(got, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), got, expected)


OF_WEIGHTS = [name for name in NAMES if name != GATES and not name.startswith(PROX)]


@pytest.mark.parametrize("name", OF_WEIGHTS)
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_every_name_is_its_penalty_with_l2_beside_it(name, l2):
    def expected(params):
        penalty = 0.0 if name == "none" else 0.1 * penalty_tree(params, name, "tensor")
        return penalty + l2 * penalty_tree(params, "l2")

    got = gradient(name=name, weight=0.1, scope="tensor", l2=l2)
    assert_close(got, jax.grad(expected)(small_params()))


def test_groups_and_the_magnitude_term():
    expected = jax.grad(lambda p: 0.1 * penalty_tree(p, "l1_over_l2", groups="input"))
    assert_close(gradient(weight=0.1, groups="input"), expected(small_params()))
    expected = jax.grad(lambda p: 0.1 * (penalty_tree(p, "l1_over_l2") + 3 * level_tree(p)))
    assert_close(gradient(weight=0.1, magnitude=3.0), expected(small_params()))


def settings_of(name, weight):
    settings = load(DEFAULT).penalty
    settings.update({"name": name, "weight": weight, "magnitude": 0.0})
    return settings


@pytest.mark.usefixtures("standard_promotion")
def test_a_prox_takes_the_place_of_the_optimizer():
    method, params = method_of(settings_of(PROX + "soft", 1e6)), small_params()
    tx = method.optimizer(lambda count: 0.1)
    updates, _ = tx.update(params, tx.init(params), params)
    assert not any((params[n]["kernel"] + updates[n]["kernel"]).any() for n in params)
    assert all(updates[n]["bias"].any() for n in params)


def test_gates_are_trained_and_give_arrays_in_the_end():
    method, params = method_of(settings_of(GATES, 0.1)), small_params()
    trained = method.start(params)
    zeros = jax.tree.map(jnp.zeros_like, trained)
    updates, _ = method.before.update(zeros, method.before.init(trained), trained)
    assert (updates["Dense_0"]["kernel"].log_alpha > 0).all()
    for result in (method.end(trained), method.sample(trained, jax.random.key(0))):
        assert jax.tree.map(jnp.shape, result) == jax.tree.map(jnp.shape, params)
