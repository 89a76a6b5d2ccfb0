"""The learning rate of a phase."""

import numpy as np
import pytest

from experiments.optimizers import constant_then_cosine

pytestmark = pytest.mark.usefixtures("standard_promotion")  # optax's schedules need it


def test_it_is_constant_then_falls_to_zero_by_half_a_cosine():
    rate = constant_then_cosine(0.1, 40, 100)
    steps = np.array([0, 39, 40, 55, 70, 85, 100])
    expected = 0.1 * np.where(steps < 40, 1, (1 + np.cos(np.pi * (steps - 40) / 60)) / 2)
    np.testing.assert_allclose([rate(step) for step in steps], expected, rtol=1e-5, atol=1e-8)


def test_it_can_be_constant_to_the_end():
    rate = constant_then_cosine(0.1, 50, 50)
    np.testing.assert_allclose([rate(0), rate(49)], 0.1, rtol=1e-6)
