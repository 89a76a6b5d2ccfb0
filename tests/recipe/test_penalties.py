"""From the values of a phase to a transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcomp.losses import gate, level_tree, penalty_tree
from jaxcomp.recipe.penalties import GATES, NAMES, PROX, Penalty
from tests.helpers import small_params

pytestmark = pytest.mark.usefixtures("standard_promotion")  # optax's schedules need it


def penalty_of(**changes):
    values = {
        "name": "l1_over_l2",
        "strength": 0.0,
        "scope": "global",
        "groups": None,
        "level_strength": 0.0,
        "l2": 0.0,
        "decoupled": False,
    }
    return Penalty(**values | changes)


def updates_of(penalty, gradients, params, by=optax.adam):
    tx = penalty.optimizer(by, None)(lambda count: 1.0)
    return jax.jit(lambda g, p: tx.update(g, tx.init(p), p)[0])(gradients, params)


def slope_of(loss, params):
    return jax.jit(jax.grad(loss))(params)


def gradient(**changes):
    """That of the penalty: what gives it, between the scaling by Adam of zeros and a step of 1."""
    penalty, params = penalty_of(**{"decoupled": True, **changes}), small_params()
    zeros = jax.tree.map(jnp.zeros_like, params)
    return jax.tree.map(jnp.negative, updates_of(penalty, zeros, params))


def assert_close(got, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), got, expected)


OF_WEIGHTS = [name for name in NAMES if name != GATES and not name.startswith(PROX)]


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_every_name_is_its_penalty(name):
    def expected(params):
        return 0.0 if name == "none" else 0.1 * penalty_tree(params, name, scope="tensor")

    got = gradient(name=name, strength=0.1, scope="tensor")
    assert_close(got, slope_of(expected, small_params()))


@pytest.mark.parametrize("decoupled", [False, True])
def test_what_adam_is_given_is_the_loss_with_l2_and_with_the_penalty_unless_decoupled(decoupled):
    params = small_params()
    gradients = jax.tree.map(jnp.ones_like, params)

    def rest(params):
        penalty = 0.0 if decoupled else 0.1 * penalty_tree(params, "l1_over_l2")
        return penalty + 0.5 * penalty_tree(params, "l2")

    whole = jax.tree.map(jnp.add, gradients, slope_of(rest, params))
    adam = optax.adam(1.0)
    expected, _ = jax.jit(lambda g, p: adam.update(g, adam.init(p), p))(whole, params)
    if decoupled:
        slope = slope_of(lambda params: 0.1 * penalty_tree(params, "l1_over_l2"), params)
        expected = jax.tree.map(jnp.subtract, expected, slope)
    penalty = penalty_of(strength=0.1, l2=0.5, decoupled=decoupled)
    assert_close(updates_of(penalty, gradients, params), expected)


def test_groups_and_the_level_term():
    params = small_params()
    expected = slope_of(lambda p: 0.1 * penalty_tree(p, "l1_over_l2", groups="input"), params)
    assert_close(gradient(strength=0.1, groups="input"), expected)
    expected = slope_of(lambda p: 0.1 * (penalty_tree(p, "l1_over_l2") + 3 * level_tree(p)), params)
    assert_close(gradient(strength=0.1, level_strength=3.0), expected)


@pytest.mark.parametrize("decoupled", [False, True])
def test_a_prox_comes_after_adam(decoupled):
    params = small_params()
    penalty = penalty_of(name=PROX + "soft", strength=1e6, decoupled=decoupled)
    updates = updates_of(penalty, params, params)
    assert not any((params[n]["kernel"] + updates[n]["kernel"]).any() for n in params)
    assert all(updates[n]["bias"].any() for n in params)


def test_a_decoupled_prox_has_one_threshold_for_all_weights():
    params = {"kernel": jnp.array([[2.0, 2.0]])}
    gradients = {"kernel": jnp.array([[1.0, 1e-3]])}  # Adam steps by -1 for both
    penalty = penalty_of(name=PROX + "soft", strength=0.25, decoupled=True)
    moved = optax.apply_updates(params, updates_of(penalty, gradients, params))
    np.testing.assert_allclose(moved["kernel"], [[0.75, 0.75]], rtol=1e-4)


def test_gates_are_penalized():
    penalty, trained = penalty_of(name=GATES, strength=0.1), gate(small_params())
    updates = updates_of(penalty, jax.tree.map(jnp.zeros_like, trained), trained)
    assert (updates["Dense_0"]["kernel"].log_alpha < 0).all()


def test_another_optimizer_sees_the_same_loss():
    penalty, params = penalty_of(name="l1", strength=0.1, l2=0.5), small_params()
    updates = updates_of(penalty, jax.tree.map(jnp.zeros_like, params), params, by=optax.sgd)
    loss = lambda p: 0.1 * penalty_tree(p, "l1") + 0.5 * penalty_tree(p, "l2")  # noqa: E731
    assert_close(updates, jax.tree.map(jnp.negative, slope_of(loss, params)))
