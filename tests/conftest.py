"""The test process is stricter than production, and has eight devices."""

import os
import tempfile
from pathlib import Path

# Before jax is imported. Most of the time goes into compiling programs that run once: with few
# optimizations the tests take two thirds of it. With 0 in the environment they test what users run,
# as the commands of README.md and the notebooks always do.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import hypothesis
import jax
import pytest

# What is compiled is kept for as long as the tests run. The processes that they start have a folder
# of their own: one that is killed may leave half of a program there, and who reads it is warned.
_compiled = tempfile.TemporaryDirectory(prefix="jaxcomp-tests-")
_KEEP_ALL = {
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
for name, setting in _KEEP_ALL.items():
    jax.config.update(name, setting)
    os.environ[name.upper()] = str(setting)
jax.config.update("jax_compilation_cache_dir", str(Path(_compiled.name, "here")))
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(_compiled.name, "started"))

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
