"""Steps that the device makes are those that Python calls."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcomp.data import Examples, shuffled_batches, shuffled_indices
from jaxcomp.train import NonFiniteLossError, fit, fit_scan, init_state, make_scan, make_step

pytestmark = pytest.mark.usefixtures("standard_promotion")
EXAMPLES = Examples(
    np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40, dtype=np.int32)
)
OPTIMIZER, KEY = optax.adam(0.01), jax.random.key(1)


def loss(params, seen, batch, key):
    """Noisy regression; what is seen counts examples, and their sum."""
    noise = jax.random.normal(key, batch.labels.shape)
    errors = batch.inputs @ params["kernel"] - batch.labels + noise
    count, total = seen
    return jnp.mean(errors**2), (count + len(batch.labels), total + batch.inputs.sum())


def start():
    seen = (jnp.zeros((), jnp.int32), jnp.zeros(()))
    return init_state({"kernel": jnp.array([1.0, -2.0, 0.5])}, OPTIMIZER, seen)


def by_scan(steps, look_every, look=lambda state: None, examples=EXAMPLES):
    indices = shuffled_indices(40, 8, seed=2)
    scan = make_scan(loss, OPTIMIZER, KEY)
    return fit_scan(scan, start(), examples, indices, steps=steps, look_every=look_every, look=look)


@pytest.mark.parametrize("look_every", [1, 7, 30, 50])
def test_both_loops_give_the_same_state(look_every):
    batches = shuffled_batches(EXAMPLES, 8, seed=2)
    step = make_step(loss, OPTIMIZER, KEY)
    called = fit(step, start(), batches, steps=30, look_every=30)
    scanned = by_scan(30, look_every)
    assert int(scanned.step) == 30
    assert int(scanned.model_state[0]) == 240
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), scanned, called)


def test_the_key_is_no_part_of_the_programs():
    def programs(seed):
        key, order = jax.random.key(seed), np.zeros((2, 8), np.int32)
        step, scan = make_step(loss, OPTIMIZER, key), make_scan(loss, OPTIMIZER, key)
        yield step.func.lower(*step.args, start(), EXAMPLES).as_text()
        yield scan.func.lower(*scan.args, start(), EXAMPLES, order).as_text()

    assert list(programs(0)) == list(programs(1))


def test_it_looks_when_asked():
    seen = []
    by_scan(25, 10, lambda state: seen.append(int(state.step)))
    assert seen == [10, 20, 25]


def test_a_step_that_is_not_finite_is_named():
    images = EXAMPLES.inputs.copy()
    images[next(itertools.islice(shuffled_indices(40, 8, seed=2), 4, None))[3]] = np.nan
    with pytest.raises(NonFiniteLossError, match="at step 5 "):
        by_scan(20, 10, examples=EXAMPLES._replace(inputs=images))


def test_indices_that_run_out_are_an_error():
    few = itertools.islice(shuffled_indices(40, 8, seed=2), 12)
    with pytest.raises(ValueError, match="ran out after 12 of 30 steps"):
        fit_scan(make_scan(loss, OPTIMIZER, KEY), start(), EXAMPLES, few, steps=30, look_every=10)


def test_no_steps_leave_the_state_alone():
    state = by_scan(0, 10)
    np.testing.assert_array_equal(state.params["kernel"], start().params["kernel"])
