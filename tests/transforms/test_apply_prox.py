"""Proximal steps in an optimizer: what they minimize, exact zeros, Adam's metric, schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.prox import Soft
from tests.helpers import small_params

pytestmark = pytest.mark.usefixtures("standard_promotion")
FEATURES = jax.random.normal(jax.random.key(0), (200, 20))
TRUTH = jnp.zeros((20, 1)).at[:3].set(jnp.array([[1.0], [-1.0], [0.5]]))


def data_loss(params):
    return jnp.mean((FEATURES @ (params["kernel"] - TRUTH) + 0.1) ** 2) / 2


def minimize(tx, steps=3000):
    @jax.jit
    def step(_, carry):
        params, state = carry
        updates, state = tx.update(jax.grad(data_loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    params = {"kernel": jax.random.normal(jax.random.key(1), (20, 1))}
    return jax.lax.fori_loop(0, steps, step, (params, tx.init(params)))[0]["kernel"]


WEIGHT = 0.05
OPTIMIZERS = {
    "plain": optax.chain(optax.sgd(0.1), jaxcomp.apply_prox("soft", WEIGHT, 0.1)),
    "adam": jaxcomp.prox_adam("soft", WEIGHT, optax.exponential_decay(1e-2, 300, 0.5)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rests_where_the_lasso_is_stationary(name):
    w = minimize(OPTIMIZERS[name])
    slope = jax.grad(data_loss)({"kernel": w})["kernel"]
    on = w != 0
    assert on[:3].all()
    assert int(on.sum()) < 10  # exact zeros
    np.testing.assert_allclose(slope[on], -WEIGHT * jnp.sign(w[on]), atol=5e-3)
    assert (jnp.abs(slope[~on]) <= WEIGHT + 5e-3).all()


def test_the_ratio_finds_the_weights_that_matter_and_shrinks_them_less():
    ratio = minimize(optax.chain(optax.sgd(0.1), jaxcomp.apply_prox("ratio", 0.2, 0.1)))
    soft = minimize(optax.chain(optax.sgd(0.1), jaxcomp.apply_prox("soft", 0.2, 0.1)))
    np.testing.assert_array_equal(ratio[:, 0] != 0, TRUTH[:, 0] != 0)
    assert jnp.linalg.norm(ratio - TRUTH) < 0.5 * jnp.linalg.norm(soft - TRUTH)


def test_each_tensor_gets_the_prox_of_what_the_step_alone_would_give():
    params, gradients = small_params(), small_params(1)
    tx = optax.chain(optax.sgd(0.1), jaxcomp.apply_prox("group_unit", 3.0, 0.1))
    updates, _ = tx.update(gradients, tx.init(params), params)
    got = optax.apply_updates(params, updates)
    for name in params:
        stepped = params[name]["kernel"] - 0.1 * gradients[name]["kernel"]
        expected = jaxcomp.prox.PROXES["group_unit"].prox(stepped, 0.3)
        np.testing.assert_allclose(got[name]["kernel"], expected, atol=1e-6)
        bias = params[name]["bias"] - 0.1 * gradients[name]["bias"]
        np.testing.assert_array_equal(got[name]["bias"], bias)


def test_in_adam_s_metric_the_threshold_is_divided_like_the_gradient():
    params = {"kernel": jnp.array([[1.0, 1.0]])}
    gradients = {"kernel": jnp.array([[0.0, 2.0]])}
    tx = jaxcomp.prox_adam(Soft(), 0.3, learning_rate=0.1, eps=0.5)
    updates, _ = tx.update(gradients, tx.init(params), params)
    thresholds = 0.1 * 0.3 / (np.array([0.0, 2.0]) + 0.5)
    stepped = 1 - 0.1 * np.array([0.0, 2.0]) / (np.array([0.0, 2.0]) + 0.5)
    np.testing.assert_allclose(1 + updates["kernel"][0], stepped - thresholds, rtol=1e-5)


def test_schedules_are_read_at_the_step_of_the_update():
    tx = jaxcomp.apply_prox("soft", lambda count: jnp.where(count == 1, 2.0, 0.0), 0.5)
    params = {"kernel": jnp.array([[5.0]])}
    zeros, state, moved = {"kernel": jnp.zeros((1, 1))}, tx.init(params), []
    for _ in range(3):
        updates, state = tx.update(zeros, state, params)
        moved.append(float(updates["kernel"][0, 0]))
    assert moved == [0.0, -1.0, 0.0]


def test_zeros_are_exact_in_narrow_types():
    params = {"kernel": jax.random.normal(jax.random.key(0), (30, 30)).astype(jnp.bfloat16)}
    tx = jaxcomp.apply_prox("soft", 0.7, 1.0)
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    after = optax.apply_updates(params, updates)["kernel"]
    np.testing.assert_array_equal(after == 0, jnp.abs(params["kernel"]) <= 0.7)


def test_what_cannot_work_is_refused():
    with pytest.raises(ValueError, match=r"unknown prox 'l1'.*'soft', 'hard'"):
        jaxcomp.apply_prox("l1", 1.0, 0.1)
    with pytest.raises(
        ValueError, match=r"learning_rate must be finite and not negative, .*, got -1"
    ):
        jaxcomp.apply_prox("soft", 1.0, -1)
