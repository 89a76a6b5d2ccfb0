"""The controller: it reaches targets from either side and holds them, and what it measures."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.transforms.control_weight import entropy_bytes, live_weights
from tests.helpers import small_params

pytestmark = pytest.mark.usefixtures("standard_promotion")
FEATURES = jax.random.normal(jax.random.key(0), (400, 100))
# Weights of all sizes: each penalty weight has a number of survivors of its own.
TRUTH = jnp.geomspace(1.0, 1e-3, 100)[:, None] * jax.random.rademacher(
    jax.random.key(1), (100, 1), jnp.float32
)


def data_loss(params):
    return jnp.mean((FEATURES @ (params["kernel"] - TRUTH)) ** 2)


def train(tx, steps=8000):
    """What was measured, and the weight, at each step."""

    def step(carry, _):
        params, state = carry
        loss, gradients = jax.value_and_grad(data_loss)(params)
        updates, state = tx.update(gradients, state, params, value=loss)
        log = [optax.tree.get(state, key) for key in ("measured", "control_weight")]
        return (optax.apply_updates(params, updates), state), log

    params = {"kernel": jax.random.normal(jax.random.key(2), (100, 1))}
    start = (params, tx.init(params))
    return [
        np.asarray(log) for log in jax.jit(lambda: jax.lax.scan(step, start, length=steps))()[1]
    ]


def prox_of(weight):
    return jaxcomp.apply_prox("soft", weight, 0.05)


@pytest.mark.parametrize("initial", [1e-6, 10.0], ids=["from below", "from above"])
@pytest.mark.parametrize("target", [10, 40])
def test_a_number_of_exact_non_zeros_is_reached_and_held(target, initial):
    control = jaxcomp.control_weight(prox_of, target, initial=initial, threshold=0.0)
    measured, weight = train(optax.chain(optax.sgd(0.05), control))
    assert (np.abs(measured[-1000:] - target) <= max(1, 0.05 * target)).all()
    assert np.ptp(weight[-1000:]) < 0.2 * weight[-1]


def test_bytes_are_reached_and_held():
    control = jaxcomp.control_weight(prox_of, 8, measure="bytes", threshold=0.0)
    measured, _ = train(optax.chain(optax.sgd(0.05), control))
    assert (np.abs(measured[-1000:] - 8) <= 0.8).all()  # one weight more is half a byte


@pytest.mark.parametrize("make", [prox_of, lambda weight: jaxcomp.add_penalty("l2", weight)])
def test_a_budget_of_the_loss_is_reached_and_held(make):
    control = jaxcomp.control_weight(make, 0.5, measure="loss")
    measured, _ = train(optax.chain(control, optax.sgd(0.05)))
    np.testing.assert_allclose(measured[-500:], 0.5, rtol=0.1)


def test_a_target_out_of_reach_leaves_the_weight_at_its_bounds():
    zeros = {"kernel": jnp.zeros((2, 2))}
    for target, steps, options, bound in (
        (0.1, 4000, {}, 1e3),
        (100, 4000, {}, 1e-9),
        (0.1, 1000, {"bounds": (1e-6, 1e-2)}, 1e-2),
        (100, 1000, {"bounds": (1e-6, 1e-2)}, 1e-6),
    ):
        params = {"kernel": jnp.ones((2, 2))}
        tx = jaxcomp.control_weight(jaxcomp.add_compressibility, target, **options)
        state, update = tx.init(params), jax.jit(tx.update)
        for _ in range(steps):
            _, state = update(zeros, state, params)
        np.testing.assert_allclose(optax.tree.get(state, "control_weight"), bound, rtol=1e-5)


def test_a_measure_of_ones_own_and_the_gains():
    """Of a constant error the log of the weight moves by the integral gain times the error."""
    params = small_params()
    tx = jaxcomp.control_weight(
        jaxcomp.add_compressibility,
        target=2.0,
        measure=lambda params: 6.0 + 0 * params["Dense_0"]["kernel"].sum(),
        initial=1e-3,
        gains=(7.0, 0.1),
    )
    state = tx.init(params)
    for _ in range(3):
        _, state = tx.update(params, state, params)
    np.testing.assert_allclose(optax.tree.get(state, "measured"), 6.0)
    expected = 1e-3 * 3.0 ** (3 * 0.1)
    np.testing.assert_allclose(optax.tree.get(state, "control_weight"), expected, rtol=1e-4)


def test_at_the_target_it_is_the_controlled_transformation():
    params = small_params()
    target = float(live_weights(params))
    plain = jaxcomp.add_compressibility(0.3)
    tx = jaxcomp.control_weight(jaxcomp.add_compressibility, target, initial=0.3)
    expected, _ = plain.update(params, plain.init(params), params)
    got, state = tx.update(params, tx.init(params), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), got, expected)
    np.testing.assert_allclose(optax.tree.get(state, "control_weight"), 0.3, rtol=1e-6)


def test_weights_count_from_a_fraction_of_the_ternary_level():
    # c = (4 + 0.04) / (4 + 0.2), about 0.96
    params = {"kernel": jnp.array([[1.0, -1.0, 0.2, 1.0, 1.0, 0.0]])}
    assert float(live_weights(params)) == 5
    assert float(live_weights(params, threshold=0.25)) == 4
    assert float(live_weights(jax.tree.map(lambda w: 1e-6 * w, params), threshold=0.25)) == 4
    assert float(live_weights({"kernel": jnp.zeros((2, 2))})) == 0


def test_the_entropy_bound_is_that_of_counting_patterns():
    """`log2 C(n, k) + k` bits, up to the few bits by which the entropy bounds the binomial."""
    n, k = 20_000, 700
    kernel = jnp.zeros((n, 1)).at[:k].set(-2.0)
    exact = np.log2(np.arange(n - k + 1, n + 1) / np.arange(1, k + 1)).sum() + k
    np.testing.assert_allclose(8 * entropy_bytes({"kernel": kernel}), exact, atol=10)
    assert float(entropy_bytes({"kernel": jnp.zeros((3, 3))})) == 0
    np.testing.assert_allclose(entropy_bytes({"kernel": jnp.ones((4, 4))}), 2.0)


def test_what_cannot_work_is_refused():
    make = jaxcomp.add_compressibility
    with pytest.raises(ValueError, match=r"unknown measure 'size'.*'live', 'bytes', 'loss'"):
        jaxcomp.control_weight(make, 10, measure="size")
    with pytest.raises(ValueError, match="target must be finite and greater than 0, got 0"):
        jaxcomp.control_weight(make, 0)
    with pytest.raises(ValueError, match="initial must be from"):
        jaxcomp.control_weight(make, 10, initial=0.0)
    with pytest.raises(ValueError, match=r"in \[0, 1\), got 1"):
        jaxcomp.control_weight(make, 10, threshold=1)
    with pytest.raises(TypeError, match="gains must be two numbers, at least 0"):
        jaxcomp.control_weight(make, 10, gains=3.0)
    with pytest.raises(ValueError, match="bounds must be greater than 0"):
        jaxcomp.control_weight(make, 10, bounds=(0.0, 1.0))
    tx, params = jaxcomp.control_weight(make, 0.5, measure="loss"), small_params()
    with pytest.raises(ValueError, match="value=loss"):
        tx.update(params, tx.init(params), params)
