"""Gradual pruning: counts that follow the schedule, monotone masks, exact zeros, checkpoints."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

import jaxcomp
from jaxcomp.prune import OfEach, top_k_mask

pytestmark = pytest.mark.usefixtures("standard_promotion")
PARAMS = {
    "a": {"kernel": jax.random.normal(jax.random.key(0), (20, 10)), "bias": jnp.ones(10)},
    "b": {"kernel": 0.1 * jax.random.normal(jax.random.key(1), (10, 10))},
}


def cubic(final, steps, *, begin=0):
    """The density of Zhu and Gupta, arXiv 1710.01878, equation 1."""
    return optax.polynomial_schedule(1.0, final, 3, steps, begin)


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
    schedule = cubic(0.1, 20)
    tx = optax.chain(optax.adam(1e-2), jaxcomp.prune_gradually(schedule, every=5))
    for made, (params, _) in enumerate(train(tx, range(30)), start=1):
        assert sum(counts(params)) == round(300 * float(schedule(made - made % 5)))
    assert params["a"]["bias"].all()


@pytest.mark.parametrize(
    ("steps", "every", "begin"),
    [(20, 100, 0), (20, 20, 0), (20, 7, 0), (13, 5, 4), (1, 100, 0), (7, 1, 3), (8, 10, 10)],
)
def test_the_end_of_a_schedule_is_reached_when_it_ends(steps, every, begin):
    tx = optax.chain(
        optax.sgd(0.1),
        jaxcomp.prune_gradually(cubic(0.35, steps, begin=begin), every=every),
    )
    history = [sum(counts(params)) for params, _ in train(tx, range(begin + steps + 2))]
    assert history[:begin] == begin * [300]
    assert history[begin + steps - 1 :] == 3 * [round(0.35 * 300)]
    assert steps == 1 or history[begin + steps - 2] > round(0.35 * 300)


@pytest.mark.parametrize(
    ("every", "expected"),
    [(5, 6 * [240] + 6 * [120] + 8 * [60]), (100, 12 * [300] + 8 * [60])],
)
def test_where_a_schedule_stays_until_the_next_ranking_it_is_followed_at_once(every, expected):
    def stairs(count):
        return jnp.select([count < 7, count < 13], [0.8, 0.4], 0.2)

    tx = optax.chain(optax.sgd(0.1), jaxcomp.prune_gradually(stairs, every=every))
    assert [sum(counts(params)) for params, _ in train(tx, range(20))] == expected


def test_the_end_is_reached_under_multi_steps():
    tx = optax.MultiSteps(
        optax.chain(optax.sgd(0.1), jaxcomp.prune_gradually(cubic(0.1, 6), every=100)),
        every_k_schedule=2,
    )
    history = [sum(counts(params)) for params, _ in train(tx, range(14))]
    assert history == 11 * [300] + 3 * [30]


@pytest.mark.parametrize("stop", [3, 11, 12, 15])
def test_the_end_is_reached_after_a_resume(stop):
    tx = optax.chain(optax.sgd(0.1), jaxcomp.prune_gradually(cubic(0.1, 12), every=100))
    *_, stopped = train(tx, range(stop))
    *_, (params, _) = train(tx, range(stop, max(12, stop + 1)), stopped)
    assert sum(counts(params)) == 30


@pytest.mark.parametrize(("density", "most"), [(0.5, 1), (cubic(0.1, 40), 5), (cubic(0.1, 33), 5)])
def test_a_ranking_is_made_only_where_the_density_falls(density, most):
    rankings = []

    def score(w):
        jax.debug.callback(lambda: rankings.append(w.shape))
        return jnp.abs(w)

    tx = jaxcomp.prune_gradually(density, every=10, score=score, mask={"a": False, "b": True})
    list(train(optax.chain(optax.sgd(0.1), tx), range(100)))
    jax.effects_barrier()
    assert 1 <= len(rankings) <= most


def test_nan_displaces_no_good_weight_and_stays_visible():
    params = {"a": jnp.full((4, 4), jnp.nan), "b": jnp.arange(1.0, 17).reshape(4, 4)}
    tx = jaxcomp.prune_gradually(0.25)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = jax.jit(tx.update)(zeros, tx.init(params), params)
    moved = optax.apply_updates(params, updates)
    assert jnp.isnan(moved["a"]).all()
    assert moved["b"].ravel().tolist() == [0.0] * 8 + list(range(9, 17))
    with pytest.raises(ValueError, match=r"prune_gradually .* 16 of the 16 entries of 'a' are NaN"):
        tx.update(zeros, tx.init(params), params)


@pytest.mark.parametrize("eager", [True, False])
def test_its_numbers_can_be_injected(eager):
    make = optax.inject_hyperparams(jaxcomp.prune_gradually)
    tx = make(density=0.5, every=10)
    state, zeros = tx.init(PARAMS), jax.tree.map(jnp.zeros_like, PARAMS)
    update = tx.update if eager else jax.jit(tx.update)
    updates, state = update(zeros, state, PARAMS)
    params = optax.apply_updates(PARAMS, updates)
    assert sum(counts(params)) == 150
    state.hyperparams["density"] = jnp.float32(0.2)
    updates, _ = update(zeros, state, params)
    assert sum(counts(optax.apply_updates(params, updates))) == 60


def test_what_is_pruned_stays_at_exact_zero_under_momentum_and_decay():
    tx = optax.chain(
        optax.adamw(0.1, weight_decay=0.1), jaxcomp.prune_gradually(cubic(0.1, 20), every=3)
    )
    history = list(train(tx, range(30)))
    gone = np.zeros((20, 10), bool)
    for params, _ in history:
        zero = np.asarray(params["a"]["kernel"] == 0)
        assert zero[gone].all()
        gone = zero
    mask = optax.tree.get(history[-1][1], "mask")
    np.testing.assert_array_equal(mask["a"]["kernel"], ~gone)


@pytest.mark.filterwarnings("ignore:nothing is left of 'b/kernel'")
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
    tx = jaxcomp.prune_gradually(lambda count: jnp.where(count == 1, 0.75, 0.5), every=1)
    state = tx.init(params)
    zeros = jax.tree.map(jnp.zeros_like, params)
    _, state = tx.update(zeros, state, params)
    # The second was pruned; now the third and fourth are zero too, and one of the three must go.
    _, state = tx.update(zeros, state, zeros)
    mask = optax.tree.get(state, "mask")["kernel"]
    np.testing.assert_array_equal(mask, [[True, False, True, False]])


def test_a_density_that_rises_again_brings_nothing_back():
    tx = jaxcomp.prune_gradually(lambda count: jnp.where(count == 1, 0.1, 0.9), every=1)
    *_, (params, _) = train(optax.chain(optax.sgd(0.1), tx), range(3))
    assert sum(counts(params)) == 30


def test_n_of_m_in_the_end():
    tx = jaxcomp.prune_gradually(cubic(0.5, 10), every=1, pattern=OfEach(5))
    *_, (params, _) = train(optax.chain(optax.sgd(0.1), tx), range(12))
    kept = np.asarray(params["a"]["kernel"] != 0).reshape(4, 5, 10).sum(axis=1)
    assert (kept == 2).all()


def test_scores_of_one_s_own():
    tx = jaxcomp.prune_gradually(0.5, score=lambda w: jnp.maximum(w, 0))
    params = {"kernel": jnp.array([[-9.0, 1.0, -8.0, 2.0]])}
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    np.testing.assert_array_equal(params["kernel"] + updates["kernel"], [[0.0, 1.0, 0.0, 2.0]])


def test_training_goes_on_from_a_checkpoint(tmp_path):
    tx = optax.chain(optax.adam(1e-2), jaxcomp.prune_gradually(cubic(0.1, 20), every=3))
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
