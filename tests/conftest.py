"""The test process is stricter than production, compiles quickly, and has eight devices."""

import gc
import os
import signal

from tests import xla

# Before jax is imported.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ["XLA_FLAGS"] = xla.flags(os.environ)

import hypothesis
import jax
import jaxlib
import pytest

from jaxcomp.quantize import sequential
from tests.compiled import Compiled
from tests.helpers import ROOT

# Programs of every size are worth keeping. The processes that tests start have a folder of their
# own: one that is killed may leave half of a program there.
_KEEP_ALL = {
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
    "jax_persistent_cache_enable_xla_caches": "none",  # its folder would be part of every key
}
for name, setting in _KEEP_ALL.items():
    jax.config.update(name, setting)
    os.environ[name.upper()] = str(setting)

# Before anything touches a device.
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# A first example waits for a compilation; the seed of the examples is fixed, so that every run is
# the same run. HYPOTHESIS_PROFILE=more or =thorough tries more of them, and more damaged files.
hypothesis.settings.register_profile("quick", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.register_profile("more", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, derandomize=True, max_examples=200)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_FOLDER = "compiled"


def pytest_configure(config):
    """Give all processes of this run the programs of the runs before."""
    if hasattr(config, "workerinput"):
        folder = config.workerinput[_FOLDER]
    else:
        config.stash[_COMPILED] = Compiled(ROOT / ".pytest_cache" / f"jaxlib-{jaxlib.__version__}")
        folder = config.stash[_COMPILED].folder
    jax.config.update("jax_compilation_cache_dir", f"{folder}/tests")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{folder}/started"


_COMPILED = pytest.StashKey[Compiled]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Tell a process of pytest-xdist where the programs are."""
    node.workerinput[_FOLDER] = str(node.config.stash[_COMPILED].folder)


def pytest_collection_finish():
    """Spare the garbage collector what the imports have made, and small collections.

    Each collection of everything walks over all modules: a twentieth of the time of the tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def pytest_unconfigure(config):
    """Keep the programs of this run, now that no process writes any more."""
    if _COMPILED in config.stash:
        config.stash[_COMPILED].keep()


@pytest.fixture(scope="session", autouse=True)
def optimized_rounding():
    """Optimizes the loop that rounds weights: it runs often, and is 8 times slower without."""
    loop, options = sequential.round_blocks.__wrapped__, {"xla_backend_optimization_level": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequential, "round_blocks", jax.jit(loop, compiler_options=options))
        yield


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


@pytest.fixture
def axes():
    """Axes to draw on."""
    import matplotlib.pyplot as plt  # takes time, and few tests draw

    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture
def signals_not_ignored():
    """Signals as a shell has them for the processes of one test.

    Below nohup and in the background some are ignored, and so they would be there.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
