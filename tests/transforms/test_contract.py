"""What every transformation owes its users, over a table of all of them."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx
from jax.sharding import AxisType

import jaxcomp
from jaxcomp import transforms
from tests.helpers import sharded, small_params


def keep_nonzeros(params):
    return jax.tree.map(lambda p: p != 0, params)


TRANSFORMS = {
    "add_compressibility": lambda: jaxcomp.add_compressibility(0.1, magnitude=1.0),
    "add_compressibility per tensor": lambda: jaxcomp.add_compressibility(0.1, scope="tensor"),
    "add_penalty l2": lambda: jaxcomp.add_penalty("l2", 0.1),
    "add_penalty per unit": lambda: jaxcomp.add_penalty("hoyer_square", 0.1, scope="unit"),
    "add_penalty of groups": lambda: jaxcomp.add_penalty("l1", 0.1, groups="input"),
    "apply_prox": lambda: jaxcomp.apply_prox("soft", 0.5, 1.0),
    "apply_prox of the ratio": lambda: jaxcomp.apply_prox("ratio", 0.5, 1.0),
    "apply_preconditioned_prox": lambda: jaxcomp.apply_preconditioned_prox(
        optax.chain(optax.scale_by_rms(), optax.scale(-0.1)), "soft", 0.5, 0.1
    ),
    "control_weight": lambda: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, initial=0.1),
    "control_weight of a prox": lambda: jaxcomp.control_weight(
        lambda weight: jaxcomp.apply_prox("soft", weight, 0.5), 100, measure="bytes", initial=1.0
    ),
    "keep_masked": lambda: jaxcomp.keep_masked(keep_nonzeros),
    "prune_gradually": lambda: jaxcomp.prune_gradually(0.3),
    "prune_gradually per tensor": lambda: jaxcomp.prune_gradually(0.3, scope="tensor"),
}


@pytest.fixture(params=TRANSFORMS, ids=str)
def transform(request):
    return TRANSFORMS[request.param]()


def ones(params):
    return jax.tree.map(jnp.ones_like, params)


def assert_same(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), one, other)


def test_the_table_has_every_transform():
    factories = {name for name in transforms.__all__ if not name.endswith("State")}
    assert factories == {name.split()[0] for name in TRANSFORMS}


def test_extra_arguments_are_accepted(transform):
    params = small_params()
    assert isinstance(transform, optax.GradientTransformationExtraArgs)
    transform.update(ones(params), transform.init(params), params, loss=1.0)


def test_missing_parameters_are_named(transform):
    params = small_params()
    with pytest.raises(ValueError, match=r"none were given: call tx\.update"):
        transform.update(ones(params), transform.init(params))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_updates_keep_their_type(transform, dtype):
    params = jax.tree.map(lambda p: p.astype(dtype), small_params())
    updates, _ = transform.update(ones(params), transform.init(params), params)
    assert {u.dtype for u in jax.tree.leaves(updates)} == {jnp.dtype(dtype)}


def test_the_second_call_compiles_nothing_and_keeps_the_state_s_structure(transform):
    params, state = small_params(), transform.init(small_params())
    update = jax.jit(transform.update)
    _, new = update(ones(params), state, params)
    update(ones(params), new, params)
    assert update._cache_size() == 1
    assert jax.tree.map(jnp.shape, new) == jax.tree.map(jnp.shape, state)


def test_init_works_on_shapes_alone():
    params = jax.eval_shape(small_params)
    jaxcomp.add_compressibility(0.1).init(params)
    jaxcomp.keep_masked(jax.tree.map(lambda _: True, params)).init(params)


@pytest.mark.usefixtures("standard_promotion")
def test_inside_multi_steps(transform):
    params = small_params()
    tx = optax.MultiSteps(optax.chain(transform, optax.sgd(0.1)), every_k_schedule=2)
    state, update = tx.init(params), jax.jit(tx.update)
    first, state = update(ones(params), state, params)
    second, _ = update(ones(params), state, params)
    assert not any(u.any() for u in jax.tree.leaves(first))
    plain = optax.chain(transform, optax.sgd(0.1))
    assert_same(second, plain.update(ones(params), plain.init(params), params)[0])


def test_inside_masked(transform):
    params, mask = small_params(), {"Dense_0": True, "Dense_1": False}
    tx = optax.masked(transform, mask)
    updates, _ = tx.update(ones(params), tx.init(params), params)
    assert_same(updates["Dense_1"], ones(params)["Dense_1"])
    assert not jnp.allclose(updates["Dense_0"]["kernel"], 1.0)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_sharded_parameters_give_the_same_updates_and_stay_sharded(transform, kind):
    params = {"kernel": small_params()["Dense_0"]["kernel"].repeat(8, axis=0)}
    expected, _ = transform.update(ones(params), transform.init(params), params)
    params = sharded(params, kind=kind)
    with jax.set_mesh(params["kernel"].sharding.mesh):
        updates, _ = jax.jit(transform.update)(ones(params), transform.init(params), params)
    assert_same(updates, expected)
    assert updates["kernel"].sharding.is_equivalent_to(params["kernel"].sharding, 2)


def test_a_restored_state_goes_on_as_if_nothing_had_happened(transform, tmp_path):
    params = small_params()
    _, state = transform.update(ones(params), transform.init(params), params)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "state", jax.eval_shape(lambda: state))
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    expected = transform.update(ones(params), state, params)
    assert_same(transform.update(ones(params), restored, params), expected)


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.relu(nn.Dense(4)(x)))


class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(4, 4, rngs=rngs)
        self.out = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)))


def test_trains_a_linen_network(transform):
    net = LinenNet()
    params = net.init(jax.random.key(0), jnp.ones((1, 4)))["params"]
    tx = optax.chain(optax.identity(), transform)
    gradients = jax.grad(lambda p: net.apply({"params": p}, jnp.ones((2, 4))).sum())(params)
    updates, _ = jax.jit(tx.update)(gradients, tx.init(params), params)
    assert jax.tree.structure(optax.apply_updates(params, updates)) == jax.tree.structure(params)


def test_trains_an_nnx_network(transform):
    net = NNXNet(nnx.Rngs(0))
    optimizer = nnx.Optimizer(net, optax.chain(optax.sgd(0.1), transform), wrt=nnx.Param)

    @nnx.jit
    def step(net, optimizer):
        gradients = nnx.grad(lambda net: net(jnp.ones((2, 4))).sum())(net)
        optimizer.update(net, gradients)

    before = net.out.kernel[...]
    step(net, optimizer)
    step(net, optimizer)
    assert not jnp.allclose(net.out.kernel[...], before)


def test_trains_an_equinox_network(transform):
    net = eqx.nn.MLP(4, 3, 4, depth=1, key=jax.random.key(0))
    params, static = eqx.partition(net, eqx.is_inexact_array)
    gradients = jax.grad(lambda p: eqx.combine(p, static)(jnp.ones(4)).sum())(params)
    updates, _ = jax.jit(transform.update)(gradients, transform.init(params), params)
    assert eqx.combine(eqx.apply_updates(params, updates), static)(jnp.ones(4)).shape == (3,)
