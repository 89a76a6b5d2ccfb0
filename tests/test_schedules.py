"""Schedules: their ends, their shape, and what they refuse."""

import numpy as np
import pytest

from jaxcomp.schedules import cubic_density


def test_ends_and_monotony():
    schedule = cubic_density(0.05, 400, begin=100)
    density = np.array([schedule(step) for step in range(0, 700)])
    np.testing.assert_array_equal(density[:101], 1)
    np.testing.assert_allclose(density[500:], 0.05, rtol=1e-6)
    assert (np.diff(density[100:501]) < 0).all()


def test_what_is_left_to_prune_falls_with_the_cube_of_the_time_left():
    schedule = cubic_density(0.2, 90)
    left = [float(schedule(step)) - 0.2 for step in (0, 30, 60)]
    np.testing.assert_allclose(left, 0.8 * np.array([1, (2 / 3) ** 3, (1 / 3) ** 3]), rtol=1e-5)


@pytest.mark.parametrize("final", [0.0, 1.5, float("nan")])
def test_bad_density(final):
    with pytest.raises(ValueError, match=rf"in \(0, 1\], got {final}"):
        cubic_density(final, 10)


def test_bad_steps():
    with pytest.raises(ValueError, match="steps must be a number of steps, at least 1, got 0"):
        cubic_density(0.1, 0)
    with pytest.raises(ValueError, match="begin must be a step, at least 0, got -1"):
        cubic_density(0.1, 5, begin=-1)
