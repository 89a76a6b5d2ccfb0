"""Penalties as a part of an optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.losses import SCOPES, level_tree, penalty_tree
from tests.helpers import IDENTITY, small_params


def data_loss(params):
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(params))


def zeros_like(params):
    return jax.tree.map(lambda p: np.zeros(p.shape, p.dtype), params)


def updated(tx, updates, params):
    """Updates and state after the first step, by one compiled program."""
    return jax.jit(lambda u, p: tx.update(u, tx.init(p), p))(updates, params)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("level_strength", [0.0, 2.0])
def test_equals_the_gradient_of_the_whole_objective_under_sgd(scope, level_strength):
    params = small_params()

    def objective(p):
        loss = jaxcomp.compressibility_tree(p, scope=scope)
        penalty = 0.3 * (loss + level_strength * level_tree(p, scope=scope))
        return data_loss(p) + penalty, (penalty, loss)

    tx = optax.chain(
        jaxcomp.add_compressibility(0.3, scope=scope, level_strength=level_strength), optax.sgd(1.0)
    )

    @jax.jit
    def both(params):
        updates, state = tx.update(jax.grad(data_loss)(params), tx.init(params), params)
        return updates, state, jax.grad(objective, has_aux=True)(params)

    updates, state, (slope, (penalty, loss)) = both(params)
    jax.tree.map(lambda u, g: np.testing.assert_allclose(u, -g, atol=1e-6), updates, slope)
    np.testing.assert_allclose(optax.tree.get(state, "penalty"), penalty, rtol=1e-5)
    np.testing.assert_allclose(optax.tree.get(state, "value"), loss, rtol=IDENTITY)


@pytest.mark.parametrize("groups", [None, "unit"])
def test_any_penalty_is_added_to_the_loss(groups):
    params = small_params()
    tx = optax.chain(jaxcomp.add_penalty("l1", 0.3, groups=groups), optax.sgd(1.0))
    updates, state = updated(tx, zeros_like(params), params)
    value, slope = jax.jit(jax.value_and_grad(lambda p: penalty_tree(p, "l1", groups=groups)))(
        params
    )
    jax.tree.map(lambda u, g: np.testing.assert_allclose(u, -0.3 * g, rtol=1e-5), updates, slope)
    np.testing.assert_allclose(optax.tree.get(state, "value"), value, rtol=IDENTITY)
    np.testing.assert_allclose(optax.tree.get(state, "penalty"), 0.3 * value, rtol=IDENTITY)


def test_the_compressibility_loss_is_one_of_the_penalties():
    params = small_params()
    one, other = (
        updated(tx, zeros_like(params), params)[0]
        for tx in (jaxcomp.add_compressibility(0.3), jaxcomp.add_penalty("l1_over_l2", 0.3))
    )
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_penalty_of_one_s_own():
    def saturating(arrays):
        return sum(jnp.sum(jnp.tanh(jnp.abs(w))) for w in arrays)

    params = small_params()
    tx = jaxcomp.add_penalty(saturating, 1.0)
    _, state = updated(tx, params, params)
    expected = sum(float(np.tanh(np.abs(params[n]["kernel"])).sum()) for n in params)
    np.testing.assert_allclose(optax.tree.get(state, "value"), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="unknown penalty 'l3'"):
        jaxcomp.add_penalty("l3", 1.0)


def test_biases_and_exact_zeros_get_no_penalty():
    params = small_params()
    tx = jaxcomp.add_compressibility(1.0)
    updates, _ = updated(tx, zeros_like(params), params)
    updates, params = jax.tree.map(np.asarray, (updates, params))
    for layer in params:
        assert not updates[layer]["bias"].any()
        kernel, update = params[layer]["kernel"], updates[layer]["kernel"]
        np.testing.assert_array_equal(kernel == 0, update == 0)


def test_only_the_sum_is_rounded_to_the_type_of_the_updates():
    # A little more than half a step of bfloat16 at 1, which bfloat16 would round to just the half.
    tx = jaxcomp.add_penalty("l1", 2**-8 + 2**-20)
    params = {"kernel": jnp.ones((1, 1), jnp.bfloat16)}
    updates, _ = tx.update(params, tx.init(params), params)  # not compiled: XLA may round less
    assert updates["kernel"].item() == 1 + 2**-7


def test_a_schedule_is_read_at_the_step_of_the_update():
    params = small_params()
    tx = jaxcomp.add_compressibility(optax.linear_schedule(0.0, 1.0, 2))
    state, penalties, update = tx.init(params), [], jax.jit(tx.update)
    for _ in range(3):
        _, state = update(zeros_like(params), state, params)
        penalties.append(float(optax.tree.get(state, "penalty")))
    value = float(jaxcomp.compressibility_tree(params))
    np.testing.assert_allclose(penalties, [0, value / 2, value], rtol=IDENTITY)


def test_inside_inject_hyperparams():
    params = small_params()
    tx = optax.inject_hyperparams(jaxcomp.add_compressibility, static_args=("mask", "scope"))(
        strength=0.3, scope="tensor", level_strength=1.0
    )
    plain = jaxcomp.add_compressibility(0.3, scope="tensor", level_strength=1.0)
    got, _ = updated(tx, zeros_like(params), params)
    expected, _ = updated(plain, zeros_like(params), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8), got, expected)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_bad_strengths_are_refused(bad):
    with pytest.raises(
        ValueError, match=f"strength must be finite and not negative, .*, got {bad}"
    ):
        jaxcomp.add_compressibility(bad)
    with pytest.raises(ValueError, match="level_strength must be finite"):
        jaxcomp.add_compressibility(1.0, level_strength=bad)


def test_an_unknown_scope_is_refused_at_once():
    with pytest.raises(ValueError, match="unknown scope 'layer'"):
        jaxcomp.add_compressibility(1.0, scope="layer")


@pytest.mark.usefixtures("standard_promotion")
def test_penalty_sparsifies_a_regression():
    """With the data term it finds the three features that matter, and shrinks the others."""
    features = jax.random.normal(jax.random.key(0), (200, 20))
    truth = jnp.zeros((20, 1)).at[:3].set(jnp.array([[1.0], [-1.0], [1.0]]))

    def small_entries(weight):
        params = {"kernel": 0.1 * jax.random.normal(jax.random.key(1), (20, 1))}
        tx = optax.chain(jaxcomp.add_compressibility(weight), optax.adam(3e-3))

        @jax.jit
        def step(_, carry):
            params, state = carry
            gradients = jax.grad(lambda p: jnp.mean((features @ (p["kernel"] - truth) + 0.3) ** 2))(
                params
            )
            updates, state = tx.update(gradients, state, params)
            return optax.apply_updates(params, updates), state

        params, _ = jax.lax.fori_loop(0, 3000, step, (params, tx.init(params)))
        return int((jnp.abs(params["kernel"]) < 5e-3).sum())

    assert small_entries(0.0) < 10
    assert small_entries(0.2) == 17


@pytest.mark.usefixtures("standard_promotion")
def test_the_penalties_of_a_chain_are_logged_as_their_sum():
    parts = [
        jaxcomp.add_compressibility(0.5),
        jaxcomp.add_compressibility(0.25, scope="tensor", level_strength=2.0),
        jaxcomp.add_penalty("l2", 0.1),
    ]
    params = small_params()
    alone = [updated(tx, params, params)[1] for tx in parts]
    each = [float(jaxcomp.added_penalty(state)) for state in alone]
    assert len(set(each)) == 3
    assert min(each) > 0
    for tx in (
        optax.chain(*parts, optax.adam(1e-3)),
        optax.MultiSteps(optax.chain(*parts), every_k_schedule=1),
        optax.chain(
            optax.inject_hyperparams(jaxcomp.add_compressibility)(0.5),
            jaxcomp.control_weight(lambda _: optax.chain(*parts[1:]), 5),
        ),
    ):
        _, state = updated(tx, params, params)
        np.testing.assert_allclose(jaxcomp.added_penalty(state), sum(each), rtol=1e-5)
        found = [one.penalty for one in jaxcomp.transforms.penalty_states(state)]
        np.testing.assert_allclose(found, each, rtol=1e-5)
    assert jaxcomp.added_penalty(optax.adam(1e-3).init(params)) == 0
