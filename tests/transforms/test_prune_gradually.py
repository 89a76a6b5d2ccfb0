"""Gradual pruning: counts that follow the schedule, monotone masks, exact zeros, checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import jaxcomp
from jaxcomp.prune import OfEach, top_k_mask
from jaxcomp.schedules import cubic_density

pytestmark = pytest.mark.usefixtures("standard_promotion")
PARAMS = {
    "a": {"kernel": jax.random.normal(jax.random.key(0), (20, 10)), "bias": jnp.ones(10)},
    "b": {"kernel": 0.1 * jax.random.normal(jax.random.key(1), (10, 10))},
}


def counts(params):
    return [int(jnp.count_nonzero(params[name]["kernel"])) for name in params]


def gradients(step):
    """Random ones, the same at the same step."""
    key = jax.random.fold_in(jax.random.key(2), step)
    return jax.tree.map(lambda p: jax.random.normal(key, p.shape), PARAMS)


def train(tx, steps, start=None):
    """Parameters and state after each of these steps."""
    params, state = (PARAMS, tx.init(PARAMS)) if start is None else start
    update = jax.jit(tx.update)
    for step in steps:
        updates, state = update(gradients(step), state, params)
        params = optax.apply_updates(params, updates)
        yield params, state


def test_the_number_of_weights_follows_the_schedule():
    schedule = cubic_density(0.1, 20)
    tx = optax.chain(optax.adam(1e-2), jaxcomp.prune_gradually(schedule, every=5))
    for step, (params, _) in enumerate(train(tx, range(30))):
        assert sum(counts(params)) == round(300 * float(schedule(step - step % 5)))
    assert params["a"]["bias"].all()


def test_what_is_pruned_stays_at_exact_zero_under_momentum_and_decay():
    tx = optax.chain(
        optax.adamw(0.1, weight_decay=0.1), jaxcomp.prune_gradually(cubic_density(0.1, 20), every=3)
    )
    history = list(train(tx, range(30)))
    gone = np.zeros((20, 10), bool)
    for params, _ in history:
        zero = np.asarray(params["a"]["kernel"] == 0)
        assert zero[gone].all()
        gone = zero
    mask = optax.tree.get(history[-1][1], "mask")
    np.testing.assert_array_equal(mask["a"]["kernel"], ~gone)


@pytest.mark.parametrize("scope", ["global", "tensor"])
def test_a_constant_density_is_one_shot_pruning(scope):
    tx = optax.chain(optax.set_to_zero(), jaxcomp.prune_gradually(0.25, scope=scope))
    params, _ = next(train(tx, range(1)))
    keep = top_k_mask(PARAMS, 0.25, scope=scope)
    for name in PARAMS:
        np.testing.assert_array_equal(params[name]["kernel"] != 0, keep[name]["kernel"])


def test_the_ranking_is_of_the_parameters_before_the_step():
    params = {"kernel": jnp.array([[1.0, 2.0]])}
    tx = jaxcomp.prune_gradually(0.5)
    updates, _ = tx.update({"kernel": jnp.array([[5.0, 0.5]])}, tx.init(params), params)
    np.testing.assert_array_equal(updates["kernel"], [[-1.0, 0.5]])


def test_weights_that_are_zero_by_chance_are_kept_before_those_that_were_pruned():
    params = {"kernel": jnp.array([[0.0, 0.0, 3.0, 4.0]])}
    tx = jaxcomp.prune_gradually(lambda count: jnp.where(count == 0, 0.75, 0.5), every=1)
    state = tx.init(params)
    zeros = jax.tree.map(jnp.zeros_like, params)
    _, state = tx.update(zeros, state, params)
    # The second was pruned; now the third and fourth are zero too, and one of the three must go.
    _, state = tx.update(zeros, state, zeros)
    mask = optax.tree.get(state, "mask")["kernel"]
    np.testing.assert_array_equal(mask, [[True, False, True, False]])


def test_a_density_that_rises_again_brings_nothing_back():
    tx = jaxcomp.prune_gradually(lambda count: jnp.where(count == 0, 0.1, 0.9), every=1)
    *_, (params, _) = train(optax.chain(optax.sgd(0.1), tx), range(3))
    assert sum(counts(params)) == 30


def test_n_of_m_in_the_end():
    tx = jaxcomp.prune_gradually(cubic_density(0.5, 10), every=1, pattern=OfEach(5))
    *_, (params, _) = train(optax.chain(optax.sgd(0.1), tx), range(12))
    kept = np.asarray(params["a"]["kernel"] != 0).reshape(4, 5, 10).sum(axis=1)
    assert (kept == 2).all()


def test_scores_of_one_s_own():
    tx = jaxcomp.prune_gradually(0.5, score=lambda w: jnp.maximum(w, 0))
    params = {"kernel": jnp.array([[-9.0, 1.0, -8.0, 2.0]])}
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    np.testing.assert_array_equal(params["kernel"] + updates["kernel"], [[0.0, 1.0, 0.0, 2.0]])


def test_training_goes_on_from_a_checkpoint(tmp_path):
    tx = optax.chain(optax.adam(1e-2), jaxcomp.prune_gradually(cubic_density(0.1, 20), every=3))
    *_, expected = train(tx, range(10))
    *_, stopped = train(tx, range(5))
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", stopped)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "state", stopped)
    *_, continued = train(tx, range(5, 10), restored)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), continued, expected)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"in \(0, 1\], got 0"):
        jaxcomp.prune_gradually(0)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        jaxcomp.prune_gradually(0.5, every=0)
    with pytest.raises(ValueError, match="unknown scope 'unit'"):
        jaxcomp.prune_gradually(0.5, scope="unit")
