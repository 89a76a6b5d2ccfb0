"""Hard-concrete gates: their distribution against its closed form, exact zeros and ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.losses import Gated, gate, penalty_tree
from jaxcomp.parametrized import values
from tests.helpers import small_params


def gated(log_alpha, shape=(200, 500)):
    return {"kernel": Gated(jnp.ones(shape), jnp.full(shape, log_alpha))}


@pytest.mark.parametrize("log_alpha", [-2.0, 0.0, 1.5])
def test_the_penalty_is_the_expected_number_of_gates_that_are_not_zero(log_alpha):
    params = gated(log_alpha)
    z = values(params, jax.random.key(0))["kernel"]
    assert float(z.min()) == 0  # exactly
    assert float(z.max()) <= 1
    expected = float(penalty_tree(params, "l0_hard_concrete"))
    standard_error = np.sqrt(expected * (1 - expected / z.size))
    assert abs(int(jnp.count_nonzero(z)) - expected) < 4 * standard_error


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_gates_start_with_the_probability_asked_for(probability):
    params = gate(small_params(), probability=probability)
    np.testing.assert_allclose(
        penalty_tree(params, "l0_hard_concrete"), 32 * probability, rtol=1e-5
    )


def test_without_noise_closed_gates_are_exact_zeros_and_open_ones_exact_ones():
    node = Gated(jnp.array([[3.0, 3.0, 3.0]]), jnp.array([[-5.0, 0.0, 5.0]]))
    np.testing.assert_allclose(values({"kernel": node})["kernel"], [[0.0, 1.5, 3.0]])


def test_the_noise_differs_between_steps_and_tensors():
    params = {"a": gated(0.0)["kernel"], "b": gated(0.0)["kernel"]}
    first, second = (values(params, jax.random.key(seed)) for seed in (0, 1))
    assert not jnp.array_equal(first["a"], second["a"])
    assert not jnp.array_equal(first["a"], first["b"])


def test_only_weights_are_gated_and_only_gates_are_penalized():
    params = gate(small_params())
    assert params["Dense_0"]["bias"] is not None
    assert isinstance(params["Dense_0"]["kernel"], Gated)
    tx = jaxcomp.add_penalty("l0_hard_concrete", 1.0)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = tx.update(zeros, tx.init(params), params)
    assert (updates["Dense_0"]["kernel"].log_alpha > 0).all()
    assert not updates["Dense_0"]["kernel"].weight.any()
    assert not updates["Dense_0"]["bias"].any()


@pytest.mark.parametrize("probability", [0.0, 1.0, float("nan")])
def test_bad_probability(probability):
    with pytest.raises(ValueError, match=f"in \\(0, 1\\), got {probability}"):
        gate(small_params(), probability=probability)
