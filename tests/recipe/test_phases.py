"""The phases of a recipe: their learning rate, what they train, what they hand on."""

import numpy as np
import pytest

from jaxcomp.recipe.phase import cosine

pytestmark = pytest.mark.usefixtures("standard_promotion")  # optax's schedules need it


def test_it_is_constant_then_falls_to_zero_by_half_a_cosine():
    rate = cosine(0.1, 100, constant_steps=40)
    steps = np.array([0, 39, 40, 55, 70, 85, 100])
    expected = 0.1 * np.where(steps < 40, 1, (1 + np.cos(np.pi * (steps - 40) / 60)) / 2)
    np.testing.assert_allclose([rate(step) for step in steps], expected, rtol=1e-5, atol=1e-8)


def test_it_can_be_constant_to_the_end():
    rate = cosine(0.1, 50, constant_steps=50)
    np.testing.assert_allclose([rate(0), rate(49)], 0.1, rtol=1e-6)
