"""A network that the library does not know: regression, in plain dicts."""

import jax
import jax.numpy as jnp
import numpy as np

INPUTS = np.random.default_rng(0).normal(size=(2048, 20)).astype(np.float32)
TARGETS = np.tanh(2 * INPUTS[:, :1]) + np.abs(INPUTS[:, 1:2])
KEY = jax.random.key(0)
VALIDATION = [(INPUTS[1792:], TARGETS[1792:])]


def start():
    keys = jax.random.split(jax.random.key(1), 2)
    return {
        "in": {"kernel": jax.random.normal(keys[0], (20, 32)) / 4, "bias": jnp.zeros(32)},
        "out": {"kernel": jax.random.normal(keys[1], (32, 1)) / 4, "bias": jnp.zeros(1)},
    }


def apply(params, x):
    x = jax.nn.relu(x @ params["in"]["kernel"] + params["in"]["bias"][None])
    return x @ params["out"]["kernel"] + params["out"]["bias"][None]


def loss(params, batch, key):
    del key
    inputs, targets = batch
    return jnp.mean((apply(params, inputs) - targets) ** 2)


def batch(step):
    rows = np.random.default_rng(step).integers(0, 1792, 64)
    return INPUTS[rows], TARGETS[rows]
