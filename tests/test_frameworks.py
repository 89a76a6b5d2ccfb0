"""Weights in trainable forms, few-valued or with gates, inside the trees of each framework."""

from typing import NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxcomp
from jaxcomp.losses import gate
from jaxcomp.parametrized import latent_mask, values
from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.quantize import few_levels, ternarize
from jaxcomp.trees import select
from tests.helpers import sharded

pytestmark = pytest.mark.usefixtures("standard_promotion")  # the frameworks' initializers need it
RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 8)).astype(np.float32)
Y = (X @ RNG.normal(size=(8, 4))).astype(np.float32)


class Framework(NamedTuple):
    params: object
    predict: object  # from parameters and inputs


def linen():
    model = nn.Dense(4)
    params = model.init(jax.random.key(0), X)["params"]
    return Framework(params, lambda params, x: model.apply({"params": params}, x))


def flax_nnx():
    graph, state = nnx.split(nnx.Linear(8, 4, rngs=nnx.Rngs(0)))
    return Framework(state, lambda state, x: nnx.merge(graph, state)(x))


def equinox():
    arrays, rest = eqx.partition(eqx.nn.Linear(8, 4, key=jax.random.key(0)), eqx.is_array)
    return Framework(arrays, lambda arrays, x: jax.vmap(eqx.combine(arrays, rest))(x))


@pytest.fixture(params=[linen, flax_nnx, equinox], ids=lambda make: make.__name__)
def framework(request):
    return request.param()


def trained(loss, params, *after, steps=60):
    """Parameters after training, and the losses before and after."""
    optimizer = optax.chain(optax.adam(0.03), *after)

    def step(i, carry):
        params, state = carry
        gradients = jax.grad(loss)(params, jax.random.key(i))
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    @jax.jit
    def train(params):
        first, start = loss(params, jax.random.key(0)), (params, optimizer.init(params))
        params, _ = jax.lax.fori_loop(0, steps, step, start)
        return params, first, loss(params, jax.random.key(0))

    return train(params)


def as_type(params, dtype):
    return jax.tree.map(lambda w: jnp.asarray(np.asarray(w).astype(dtype)), params)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("levels", [1, 2])
def test_few_valued_weights_are_trained(framework, levels, dtype):
    params = as_type(framework.params, dtype)
    keep = top_k_mask(params, 0.5)
    pruned = apply_mask(params, keep)
    few = ternarize(pruned) if levels == 1 else few_levels(pruned, levels)

    def loss(params, key):
        return jnp.mean((framework.predict(values(params), X) - Y) ** 2)

    few, before, after = trained(loss, few, jaxcomp.keep_masked(latent_mask(few, keep)))
    assert after < 0.9 * before
    result = values(few)
    assert jax.tree.structure(result) == jax.tree.structure(params)
    (weight,), (start,) = (map(np.asarray, select(tree, None)) for tree in (result, pruned))
    assert weight.dtype == dtype
    assert len(np.unique(np.abs(weight[weight != 0].astype(np.float32)))) <= levels
    assert ((weight != 0) == (start != 0)).all()


def test_gates_are_trained(framework):
    def loss(params, key):
        fit = jnp.mean((framework.predict(values(params, key), X) - Y) ** 2)
        return fit + 0.1 * jaxcomp.losses.penalty_tree(params, "l0_hard_concrete", mask=None)

    gated, before, after = trained(loss, gate(framework.params), steps=200)
    assert after < 0.9 * before
    result = values(gated)
    assert jax.tree.structure(result) == jax.tree.structure(framework.params)
    assert np.isfinite(jax.jit(framework.predict)(result, X)).all()


def test_sharded_weights_stay_sharded_and_give_the_same(framework):
    keep = top_k_mask(framework.params, 0.5)
    few = ternarize(apply_mask(framework.params, keep))

    def loss(params, key):
        return jnp.mean((framework.predict(values(params), X) - Y) ** 2)

    def spread(w):
        axes = [axis for axis, size in enumerate(w.shape) if size % 8 == 0]
        return sharded(w, axes[0]) if axes else w

    hold = jaxcomp.keep_masked(latent_mask(few, keep))
    alone, *_ = trained(loss, few, hold, steps=10)
    apart, *_ = trained(loss, jax.tree.map(spread, few), hold, steps=10)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), alone, apart)
    placed = [w.sharding for w in jax.tree.leaves(apart) if w.size >= 32]
    assert placed
    assert all("shards" in sharding.spec for sharding in placed)
