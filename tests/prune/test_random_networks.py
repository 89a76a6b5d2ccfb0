"""Networks of every kind with random zeros compute the same without their dead units."""

import jax
import numpy as np
import pytest

import jaxcomp
from jaxcomp.prune import remove_dead_units
from tests.prune.networks import linen, others
from tests.prune.networks.kind import sparse_params

KINDS = linen.kinds() | others.kinds()
QUICK = [
    "dense, tanh",
    "pooled alone",
    "depthwise",
    "merged batch norm",
    "option A",
    "attention",
    "bilinear",
    "Equinox, scanned",
    "NNX, CNN",
    "tied",
]


def check(name, seeds):
    """Return how many weights went, of all seeds."""
    kind = KINDS[name]()
    run = jax.jit(kind.apply)
    network = jaxcomp.trace(kind.apply, kind.params, *kind.inputs)
    gone = 0
    for seed in seeds:
        params = sparse_params(kind.params, seed)
        result = remove_dead_units(params, network)
        assert result.nonzeros_after <= result.nonzeros_before
        gone += result.nonzeros_before - result.nonzeros_after
        same_types(params, result.params)
        for scale in (1.0, 1000.0):
            inputs = [x * np.float32(scale) if x.dtype == np.float32 else x for x in kind.inputs]
            same_outputs(run(params, *inputs), run(result.params, *inputs), f"{name}, seed {seed}")
        assert remove_dead_units(result.params, network).nonzeros_after == result.nonzeros_after
    return gone


def same_types(params, result):
    assert jax.tree.structure(params) == jax.tree.structure(result)
    for before, after in zip(jax.tree.leaves(params), jax.tree.leaves(result), strict=True):
        assert (before.shape, before.dtype) == (after.shape, after.dtype)


def same_outputs(before, after, message):
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert np.isfinite(one).all()
        most = np.abs(one).max(initial=1e-30)
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4 * most, err_msg=message)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", QUICK)
def test_the_function_stays(name):
    assert check(name, range(4)) > 0


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("name", KINDS)
def test_the_function_stays_for_many_networks_of_every_kind(name):
    gone = check(name, range(8))
    # What goes into a loop over time, or comes out of it, is taken to be anything.
    assert gone > 0 or name in ("recurrent", "GRU")
