"""A kind of network, and random sparse parameters for it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.trees import path_name

PyTree = Any


class Kind(NamedTuple):
    """A network without its numbers."""

    apply: Callable[..., Any]
    params: PyTree  # of `jax.ShapeDtypeStruct`
    inputs: tuple[np.ndarray, ...]


def images(*shape):
    """Inputs with as many examples as the first axis has."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def tokens(*shape, vocabulary):
    return np.random.default_rng(0).integers(0, vocabulary, shape).astype(np.int32)


def sparse_params(params: PyTree, seed: int) -> PyTree:
    """Half of the weights are zero, and of each axis of each weight a quarter of the indices."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return np.zeros(leaf.shape, leaf.dtype)
        name = path_name(path)
        values = rng.normal(size=leaf.shape).astype(np.float32)
        values *= rng.random(leaf.shape) < (0.6 if len(leaf.shape) > 1 else 0.8)
        for axis in range(len(leaf.shape)):
            if leaf.shape[axis] > 1 and len(leaf.shape) > 1:
                gone = rng.random(leaf.shape[axis]) < 0.25
                values[(slice(None),) * axis + (gone,)] = 0
        return (np.abs(values) if "var" in name else values).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, params)
