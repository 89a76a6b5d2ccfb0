"""The test process is stricter than production, and has eight devices."""

import hypothesis
import jax
import pytest

# Before anything touches a device.
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# A first example waits for a compilation; the seed of the examples is fixed, so that every run is
# the same run.
hypothesis.settings.register_profile("jaxcomp", deadline=None, derandomize=True)
hypothesis.settings.load_profile("jaxcomp")


@pytest.fixture
def x64():
    """64-bit types for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def standard_promotion():
    """JAX's usual mixing of types, for tests that go through optimizers of optax."""
    with jax.numpy_dtype_promotion("standard"):
        yield
