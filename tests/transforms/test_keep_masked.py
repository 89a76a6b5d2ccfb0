"""Pruned weights stay at exact zero."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import jaxcomp
from tests.helpers import small_params


def keep_nonzeros(params):
    return jax.tree.map(lambda p: p != 0, params)


@pytest.mark.usefixtures("standard_promotion")
def test_exact_zeros_through_momentum_and_weight_decay():
    """The momentum was gathered before pruning, and would carry the weights away from zero."""
    params = jax.tree.map(lambda p: p + 0.1, small_params())
    adam = optax.adamw(0.05, weight_decay=0.1)
    state = adam.init(params)
    for _ in range(10):
        _, state = adam.update(jax.tree.map(jnp.ones_like, params), state, params)
    keep = jax.tree.map(lambda p: jnp.abs(p) > 0.7, params)
    hold = jaxcomp.keep_masked(keep)
    tx = optax.chain(jaxcomp.add_compressibility(0.1), adam, hold)
    state = (tx.init(params)[0], state, hold.init(params))

    @jax.jit
    def step(carry, key):
        params, state = carry
        noise = jax.tree.map(lambda p: jax.random.normal(key, p.shape), params)
        updates, state = tx.update(noise, state, params)
        params = optax.apply_updates(params, updates)
        moved = jax.tree.map(lambda p, k: jnp.any((p != 0) & ~k), params, keep)
        return (params, state), jnp.stack(jax.tree.leaves(moved))

    (trained, _), moved = jax.lax.scan(
        step, (params, state), jax.random.split(jax.random.key(0), 100)
    )
    assert not moved.any()
    changed = jax.tree.map(lambda a, b, k: jnp.all((a != b) | ~k), trained, params, keep)
    assert all(jax.tree.leaves(changed))


def test_kept_updates_pass_unchanged():
    params = small_params()
    updates = jax.tree.map(jnp.cos, params)
    tx = jaxcomp.keep_masked({"Dense_0": keep_nonzeros(params["Dense_0"]), "Dense_1": True})
    got, _ = tx.update(updates, tx.init(params), params)
    jax.tree.map(np.testing.assert_array_equal, got["Dense_1"], updates["Dense_1"])


def test_wide_parameters_reach_zero_through_narrow_updates():
    params = {"kernel": jnp.full((2, 2), 0.1234567)}
    tx = jaxcomp.keep_masked(False)
    updates, _ = tx.update({"kernel": jnp.ones((2, 2), jnp.bfloat16)}, tx.init(params), params)
    # Also where, other than by `optax.apply_updates`, both are added in the wider type.
    assert updates["kernel"].dtype == jnp.float32
    assert not (params["kernel"] + updates["kernel"]).any()
    assert not optax.apply_updates(params, updates)["kernel"].any()


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (None, ValueError, "needs a mask"),
        ({"Dense_0": True}, ValueError, "tree structure"),
        (1.0, TypeError, "'Dense_0/bias' must be boolean, got a float: use `mask != 0`"),
        (np.ones((7, 7), bool), ValueError, r"shape \(7, 7\), its parameter has shape \(4,\)"),
    ],
)
def test_bad_masks_are_refused(mask, error, message):
    with pytest.raises(error, match=message):
        jaxcomp.keep_masked(mask).init(small_params())


@pytest.mark.usefixtures("standard_promotion")
def test_inside_of_an_average_what_is_evaluated_is_sparse_too():
    params = {"kernel": jnp.array([[1.0, 0.0, 2.0]])}
    hold = jaxcomp.keep_masked(lambda params: jax.tree.map(lambda p: p != 0, params))
    averages = {
        "schedule_free": contrib.schedule_free(optax.chain(optax.adam(0.1), hold), 0.1),
        "outside": optax.chain(contrib.schedule_free(optax.adam(0.1), 0.1), hold),
    }
    found = {}
    for name, tx in averages.items():
        moved, state = params, tx.init(params)
        for _ in range(5):
            updates, state = tx.update({"kernel": jnp.ones((1, 3))}, state, moved)
            moved = optax.apply_updates(moved, updates)
        inner = state[0] if name == "outside" else state
        evaluated = contrib.schedule_free_eval_params(inner, moved)
        assert moved["kernel"][0, 1] == 0
        found[name] = float(evaluated["kernel"][0, 1])
    assert found["schedule_free"] == 0
    assert found["outside"] != 0  # why it belongs inside

    tx = optax.lookahead(optax.chain(optax.adam(0.1), hold), sync_period=2, slow_step_size=0.5)
    both = optax.LookaheadParams.init_synced(params)
    state = tx.init(both)
    for _ in range(4):
        updates, state = tx.update({"kernel": jnp.ones((1, 3))}, state, both)
        both = optax.apply_updates(both, updates)
    assert both.slow["kernel"][0, 1] == both.fast["kernel"][0, 1] == 0
