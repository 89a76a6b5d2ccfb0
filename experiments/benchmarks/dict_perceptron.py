"""A multilayer perceptron in plain dicts."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any


def init(sizes: tuple[int, ...], key: jax.Array) -> PyTree:
    """Return its parameters; sizes are of the inputs, the hidden layers and the outputs."""
    keys = jax.random.split(key, len(sizes) - 1)
    return {
        f"layer_{i}": {
            "kernel": jax.random.normal(keys[i], size) * np.sqrt(2 / size[0]),
            "bias": jnp.zeros(size[1]),
        }
        for i, size in enumerate(itertools.pairwise(sizes))
    }


def apply(params: PyTree, x: jax.Array) -> jax.Array:
    """Return the outputs, [n, outputs], of inputs, [n, inputs]."""
    last = len(params) - 1
    for i in range(len(params)):
        x = x @ params[f"layer_{i}"]["kernel"] + params[f"layer_{i}"]["bias"][None]
        x = x if i == last else jax.nn.relu(x)
    return x
