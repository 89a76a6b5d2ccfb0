"""The step is the optimizer's, the loop stops where it must, and a seed fixes everything."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.train import NonFiniteLossError, fit, init_state, make_step
from tests.helpers import IDENTITY


def squares(params, batch):
    """Linear regression on batches of inputs and targets."""
    inputs, targets = batch
    return jnp.mean((inputs @ params["kernel"] - targets) ** 2)


@pytest.fixture
def params():
    return {"kernel": jnp.array([[1.0], [-2.0]])}


def stream(seed=0):
    rng = np.random.default_rng(seed)
    while True:
        inputs = rng.normal(size=(8, 2)).astype(np.float32)
        yield inputs, inputs @ np.array([[3.0], [0.5]], np.float32)


def test_a_step_is_one_update_of_the_optimizer(params):
    optimizer, batch = optax.sgd(0.1), next(stream())
    state = make_step(squares, optimizer)(init_state(params, optimizer), batch)
    loss, gradient = jax.value_and_grad(squares)(params, batch)
    expected = params["kernel"] - 0.1 * gradient["kernel"]
    np.testing.assert_allclose(state.params["kernel"], expected, rtol=IDENTITY)
    np.testing.assert_allclose(state.loss, loss, rtol=IDENTITY)
    assert (int(state.step), int(state.first_bad_step)) == (1, 0)


def test_a_loss_with_a_key_sees_another_one_at_each_step(params):
    def noise(params, batch, key):
        return jnp.sum(params["kernel"] * jax.random.normal(key, (2, 1)))

    optimizer, key = optax.sgd(1.0), jax.random.key(3)
    step, state = make_step(noise, optimizer, key), init_state(params, optimizer)
    moves = []
    for number in range(2):
        before = np.array(state.params["kernel"])
        state = step(state, None)
        moves.append(before - state.params["kernel"])
        expected = jax.random.normal(jax.random.fold_in(key, number), (2, 1))
        np.testing.assert_allclose(moves[-1], expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(*moves)


def test_what_the_model_moves_on_is_not_differentiated_and_carried(params):
    def mean_seen(params, mean, batch, key):
        assert key.shape == ()
        return jnp.sum((params["kernel"] - mean) ** 2), 0.5 * mean + 0.5 * batch

    optimizer = optax.sgd(0.5)  # goes to the mean in one step
    step = make_step(mean_seen, optimizer, jax.random.key(0))
    state = init_state(params, optimizer, jnp.zeros((2, 1)))
    for expected in (0.0, 0.5, 0.75):
        state = step(state, jnp.ones((2, 1)))
        np.testing.assert_allclose(state.params["kernel"], np.full((2, 1), expected))


def test_the_optimizer_is_given_the_loss(params):
    seen = optax.GradientTransformationExtraArgs(
        lambda params: jnp.zeros(()), lambda updates, state, params, *, value: (updates, value)
    )
    batch = next(stream())
    state = make_step(squares, seen)(init_state(params, seen), batch)
    np.testing.assert_allclose(state.opt_state, squares(params, batch), rtol=IDENTITY)


def test_steps_do_not_compile_again_and_the_parameters_given_are_kept(params):
    optimizer = optax.chain(jaxcomp.add_compressibility(0.1), optax.sgd(0.1, momentum=0.9))
    step, batches = make_step(squares, optimizer), stream()
    state = init_state(params, optimizer)
    for _ in range(3):
        state = step(state, next(batches))
    assert step.func._cache_size() == 1
    np.testing.assert_array_equal(params["kernel"], [[1.0], [-2.0]])


def test_fit_finds_the_solution_and_looks_when_asked(params):
    optimizer, seen = optax.sgd(0.1), []
    state = fit(
        make_step(squares, optimizer),
        init_state(params, optimizer),
        stream(),
        steps=250,
        look_every=100,
        look=lambda state: seen.append(int(state.step)),
    )
    assert seen == [100, 200, 250]
    np.testing.assert_allclose(state.params["kernel"], [[3.0], [0.5]], atol=1e-5)


def test_no_steps_leave_the_state_alone(params):
    optimizer = optax.sgd(0.1)
    state = fit(
        make_step(squares, optimizer), init_state(params, optimizer), [], steps=0, look_every=1
    )
    np.testing.assert_array_equal(state.params["kernel"], params["kernel"])


def test_batches_that_run_out_are_an_error(params):
    optimizer = optax.sgd(0.1)
    with pytest.raises(ValueError, match="ran out after 3 of 5 steps"):
        fit(
            make_step(squares, optimizer),
            init_state(params, optimizer),
            itertools.islice(stream(), 3),
            steps=5,
            look_every=1,
        )


def test_a_bad_batch_stops_training_and_the_step_is_named(params):
    batches = list(itertools.islice(stream(), 20))
    batches[6] = (batches[6][0], batches[6][1] * np.nan)
    optimizer, seen = optax.sgd(0.1), []
    message = r"the loss .* at step 7 \(all parameters were\),.*lower the learning rate"
    with pytest.raises(NonFiniteLossError, match=message):
        fit(
            make_step(squares, optimizer),
            init_state(params, optimizer),
            batches,
            steps=20,
            look_every=5,
            look=lambda state: seen.append(int(state.step)),
        )
    assert seen == [5]


def test_a_weight_that_is_not_finite_is_named():
    # The gradient of a square root at zero: the loss is finite, what follows is not.
    params = {"root": {"kernel": jnp.zeros((1, 1))}, "other": {"kernel": jnp.ones((1, 1))}}

    def loss(params, batch):
        return jnp.sqrt(params["root"]["kernel"]).sum() + batch * params["other"]["kernel"].sum()

    optimizer = optax.sgd(0.1)
    with pytest.raises(NonFiniteLossError, match=r"loss .* at step 2 \(root/kernel had such"):
        fit(
            make_step(loss, optimizer),
            init_state(params, optimizer),
            iter([1.0] * 9),
            steps=9,
            look_every=9,
        )


def test_a_penalty_that_is_not_finite_stops_too(params):
    optimizer = optax.chain(jaxcomp.add_penalty("l1", 1.0), optax.sgd(1.0))
    blown = {"used": params["kernel"], "unused": jnp.full((2, 1), jnp.inf)}

    def loss(params, batch):
        return squares({"kernel": params["used"]}, batch)

    with pytest.raises(NonFiniteLossError, match=r"penalty .* at step 1 \(unused had such"):
        fit(
            make_step(loss, optimizer),
            init_state(blown, optimizer),
            stream(),
            steps=5,
            look_every=5,
        )


def test_after_a_bad_step_parameters_stay(params):
    batches = list(itertools.islice(stream(), 5))
    batches[2] = (batches[2][0], batches[2][1] * np.inf)
    optimizer = optax.sgd(0.1, momentum=0.9)
    step, state = make_step(squares, optimizer), init_state(params, optimizer)
    for number, batch in enumerate(batches):
        state = step(state, batch)
        if number == 1:
            good = jax.device_get(state)
    assert int(state.first_bad_step) == 3
    jax.tree.map(
        np.testing.assert_array_equal,
        (good.params, good.opt_state),
        (state.params, state.opt_state),
    )


@pytest.mark.usefixtures("standard_promotion")
def test_the_same_batches_give_the_same_bits(params):
    def trained():
        optimizer = optax.adam(0.01)
        state = fit(
            make_step(squares, optimizer),
            init_state(params, optimizer),
            stream(seed=3),
            steps=50,
            look_every=50,
        )
        return np.asarray(state.params["kernel"]).tobytes()

    assert trained() == trained()


@pytest.mark.usefixtures("standard_promotion")
def test_stopping_and_going_on_is_the_same_as_going_through(params):
    optimizer, batches = optax.adam(0.01), list(itertools.islice(stream(), 20))
    step = make_step(squares, optimizer)
    whole = fit(step, init_state(params, optimizer), batches, steps=20, look_every=20)
    half = fit(step, init_state(params, optimizer), batches[:10], steps=10, look_every=10)
    both = fit(step, half, batches[10:], steps=10, look_every=10)
    assert int(both.step) == 20
    np.testing.assert_array_equal(both.params["kernel"], whole.params["kernel"])
