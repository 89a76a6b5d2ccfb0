"""Small networks for tests of the removal of dead units."""

import jax
import numpy as np

import jaxcomp
from jaxcomp.prune import remove_dead_units

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def removed(apply, params, *inputs):
    """Remove dead units, and check that the outputs stay for small and for large inputs."""
    params = jax.tree.map(np.asarray, params)
    kept = jax.tree.map(np.copy, params)
    result = remove_dead_units(params, jaxcomp.trace(apply, params, *inputs))
    jax.tree.map(np.testing.assert_array_equal, params, kept)  # what was given is untouched
    for scale in (1, 1e4):
        large = [x * np.float32(scale) if x.dtype == np.float32 else x for x in inputs]
        before, after = apply(params, *large), apply(result.params, *large)
        for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            one, other = (np.asarray(y, np.float32) for y in (one, other))
            assert np.isfinite(one).all()
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5 * np.abs(one).max())
    return result


def layers(**arrays):
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def hidden(params, x, activation=jax.nn.relu):
    return activation(x @ params["a"] + params["b"][None])


def two_layers(params, x):
    return hidden(params, x) @ params["c"] + params["d"][None]


def values(result):
    return {name: leaf.tolist() for name, leaf in result.params.items()}
