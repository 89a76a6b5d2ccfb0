"""A small network that was trained, with its calibration and its moments."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.data import digits
from tests.compression.network import apply


@pytest.fixture(scope="session")
def trained():
    """A dense network, 64-40-10, and its calibration."""
    rng = np.random.default_rng(0)
    sizes = {"in": (64, 40), "out": (40, 10)}
    params = {
        name: {
            "kernel": jnp.asarray(rng.normal(size=size) / np.sqrt(size[0]), jnp.float32),
            "bias": jnp.zeros(size[1]),
        }
        for name, size in sizes.items()
    }
    split = digits(seed=0).train

    @jax.jit
    def step(params, images, labels):
        def loss(params):
            logits = apply(params, images)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        return jax.tree.map(lambda w, slope: w - 0.3 * slope, params, jax.grad(loss)(params))

    for _ in range(600):
        at = rng.integers(0, len(split.inputs), 64)
        params = step(params, split.inputs[at], split.labels[at])
    batches = list(np.asarray(split.inputs[:1024]).reshape(8, 128, 8, 8))
    return jax.tree.map(np.asarray, params), batches


@pytest.fixture(scope="session")
def calibration(trained):
    return jaxcomp.Calibration(apply, trained[1])


@pytest.fixture(scope="session")
def moments(trained, calibration, tmp_path_factory):
    path = tmp_path_factory.mktemp("moments") / "moments.npz"
    jaxcomp.save_moments(path, trained[0], calibration)
    return path
