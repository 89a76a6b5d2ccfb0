"""Many networks in one program: each is what it would be alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcomp.losses import penalty_tree
from jaxcomp.train import init_many, init_state, make_many, make_step

pytestmark = pytest.mark.usefixtures("standard_promotion")
SEEDS, STEPS, BATCH = 3, 20, 4
WEIGHTS = jnp.array([0.0, 0.1])
RNG = np.random.default_rng(0)
EXAMPLES = {
    "x": RNG.normal(size=(10, 5)).astype(np.float32),
    "y": RNG.normal(size=(10, 2)).astype(np.float32),
}
ORDER = RNG.integers(10, size=(STEPS, SEEDS, BATCH))
OPTIMIZER = optax.adam(0.05)


def loss(params, batch, weight):
    fit = jnp.mean((batch["x"] @ params["kernel"] - batch["y"]) ** 2)
    return fit + weight * penalty_tree(params, "l1_over_l2")


def start():
    return {"kernel": jax.random.normal(jax.random.key(1), (SEEDS, 5, 2))}


def test_each_network_is_what_it_would_be_alone():
    states = init_many(start(), OPTIMIZER, WEIGHTS)
    half = STEPS // 2
    for order in (ORDER[:half], ORDER[half:]):
        states = make_many(loss, OPTIMIZER)(states, EXAMPLES, order, WEIGHTS)
    assert states.step.tolist() == [[STEPS] * 2] * SEEDS
    for seed in range(SEEDS):
        for i, weight in enumerate(WEIGHTS):
            state = init_state(jax.tree.map(lambda w, s=seed: w[s], start()), OPTIMIZER)
            step = make_step(lambda params, batch, w=weight: loss(params, batch, w), OPTIMIZER)
            for indices in ORDER[:, seed]:
                state = step(state, {name: part[indices] for name, part in EXAMPLES.items()})
            np.testing.assert_allclose(
                states.params["kernel"][seed, i], state.params["kernel"], rtol=1e-4, atol=1e-6
            )
            np.testing.assert_allclose(states.loss[seed, i], state.loss, rtol=1e-4)


def test_one_that_diverges_is_noted_and_leaves_the_others_alone():
    params = start()
    params["kernel"] = params["kernel"].at[1].set(jnp.inf)
    states = make_many(loss, OPTIMIZER)(
        init_many(params, OPTIMIZER, WEIGHTS), EXAMPLES, ORDER, WEIGHTS
    )
    assert states.first_bad_step.tolist() == [[0, 0], [1, 1], [0, 0]]
    good = make_many(loss, OPTIMIZER)(
        init_many(start(), OPTIMIZER, WEIGHTS), EXAMPLES, ORDER, WEIGHTS
    )
    np.testing.assert_array_equal(states.params["kernel"][0], good.params["kernel"][0])
