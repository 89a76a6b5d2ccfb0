"""Distillation: a divergence, in its limits cross-entropy and squared distance of logits."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.training.objective import from_teacher

STUDENT = jax.random.normal(jax.random.key(0), (6, 10))
TEACHER = jax.random.normal(jax.random.key(1), (6, 10))


def test_zero_exactly_at_equal_probabilities():
    np.testing.assert_allclose(from_teacher(TEACHER + 3.0, TEACHER, 2.0), 0, atol=1e-6)
    assert (from_teacher(STUDENT, TEACHER, 2.0) > 1e-3).all()


def test_a_certain_teacher_is_a_label():
    certain = jnp.where(jax.nn.one_hot(jnp.arange(6), 10, dtype=bool), 200.0, 0.0)
    expected = -jax.nn.log_softmax(STUDENT)[jnp.arange(6), jnp.arange(6)]
    np.testing.assert_allclose(from_teacher(STUDENT, certain), expected, rtol=1e-5)


def test_at_high_temperature_it_is_the_squared_distance_of_centered_logits():
    difference = STUDENT - TEACHER
    centered = difference - difference.mean(axis=-1, keepdims=True)
    expected = jnp.square(centered).mean(axis=-1) / 2
    np.testing.assert_allclose(from_teacher(STUDENT, TEACHER, 100.0), expected, rtol=0.05)


def test_no_gradient_reaches_the_teacher():
    assert not jax.grad(lambda t: from_teacher(STUDENT, t).sum())(TEACHER).any()
