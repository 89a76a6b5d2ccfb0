"""What every transformation owes its users, over a table of all of them."""

import functools

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


# Transformations that speak of units, from what tells where these are.
OF_UNITS = {
    "add_penalty per unit": lambda **layout: jaxcomp.add_penalty(
        "hoyer_square", 0.1, scope="unit", **layout
    ),
    "add_penalty of groups": lambda **layout: jaxcomp.add_penalty(
        "l1", 0.1, groups="input", **layout
    ),
}


def as_adam_is_written(tx):
    """The same with the promotion of types that optax.adam needs."""

    def update(*arguments, **extra):
        with jax.numpy_dtype_promotion("standard"):
            return tx.update(*arguments, **extra)

    return optax.GradientTransformationExtraArgs(tx.init, update)


TRANSFORMS = {
    "add_compressibility": lambda: jaxcomp.add_compressibility(0.1, level_strength=1.0),
    "add_compressibility per tensor": lambda: jaxcomp.add_compressibility(0.1, scope="tensor"),
    "add_penalty l2": lambda: jaxcomp.add_penalty("l2", 0.1),
    **OF_UNITS,
    "apply_prox": lambda: jaxcomp.apply_prox("soft", 0.5, 1.0),
    "apply_prox of the ratio": lambda: jaxcomp.apply_prox("ratio", 0.5, 1.0),
    "prox_adam": lambda: as_adam_is_written(jaxcomp.prox_adam("soft", 0.5, 0.1)),
    "control_weight": lambda: jaxcomp.control_weight(jaxcomp.add_compressibility, 5, initial=0.1),
    "control_weight of a prox": lambda: jaxcomp.control_weight(
        lambda weight: jaxcomp.apply_prox("soft", weight, 0.5), 100, measure="bytes", initial=1.0
    ),
    "keep_masked": lambda: jaxcomp.keep_masked(keep_nonzeros),
    "prune_gradually": lambda: jaxcomp.prune_gradually(0.3),
    "prune_gradually per tensor": lambda: jaxcomp.prune_gradually(0.3, scope="tensor"),
}


SHAPES = jax.eval_shape(small_params)


@functools.cache
def made(name, **options):
    """A transformation, its init and its update, each compiled once for one structure."""
    tx = TRANSFORMS[name](**options)
    return tx, jax.jit(tx.init), jax.jit(tx.update)


@pytest.fixture(params=TRANSFORMS, ids=str)
def name(request):
    return request.param


@pytest.fixture
def transform(name):
    return made(name)[0]


def ones(params):
    return jax.tree.map(lambda p: np.ones(p.shape, p.dtype), params)


def updated(name, params, state=None, gradients=None, **options):
    """Updates and state after one step."""
    _, init, update = made(name, **options)
    state = init(params) if state is None else state
    return update(ones(params) if gradients is None else gradients, state, params)


def abstract(transform, dtype=jnp.float32):
    """Shapes and types of parameters and of the state for them: nothing is compiled."""
    params = jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, dtype), SHAPES)
    return params, jax.eval_shape(transform.init, params)


def assert_same(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), one, other)


def test_the_table_has_every_transform():
    factories = {name for name in transforms.__all__ if not name.endswith("State")}
    factories -= {"added_penalty", "penalty_states"}
    assert factories == {name.split()[0] for name in TRANSFORMS}


def test_extra_arguments_are_accepted(transform):
    assert isinstance(transform, optax.GradientTransformationExtraArgs)
    params, state = abstract(transform)
    jax.eval_shape(lambda *given: transform.update(*given, loss=1.0), params, state, params)


def test_missing_parameters_are_named(transform):
    params, state = abstract(transform)
    with pytest.raises(ValueError, match=r"none were given: call tx\.update"):
        jax.eval_shape(transform.update, params, state)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_updates_keep_their_type(transform, dtype):
    params, state = abstract(transform, dtype)
    updates, new = jax.eval_shape(transform.update, params, state, params)
    assert updates == params
    assert new == state


TYPES = (jnp.float16, jnp.bfloat16, jnp.float32)
MIXED = [(update, param) for update in TYPES for param in TYPES if update != param]
ZEROING = {
    "keep_masked": lambda: jaxcomp.keep_masked({"kernel": jnp.array([[True, False, False]])}),
    "prune_gradually": lambda: jaxcomp.prune_gradually(1 / 3),
    "apply_prox": lambda: jaxcomp.apply_prox("hard", 1e8, 1.0),
    "prox_adam": lambda: jaxcomp.prox_adam("hard", 1e8, 1.0),
}


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize(("update", "param"), MIXED, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("name", ZEROING)
def test_what_becomes_zero_is_exactly_zero_whatever_the_types_are(name, update, param):
    # Near the largest of float16, and with more digits than bfloat16 has.
    params = {"kernel": jnp.array([[65504.0, 1.0009765625, 3e-5]]).astype(param)}
    updates = {"kernel": jnp.array([[0.25, 0.123, -3e-5]]).astype(update)}
    tx = ZEROING[name]()
    if name.startswith("apply"):
        params = jax.tree.map(lambda p: p.at[0, 0].set(2), params)
    changed, _ = tx.update(updates, tx.init(params), params)
    moved = optax.apply_updates(params, changed)["kernel"]
    zeros = [[False, True, True]] if not name.startswith("apply") else [[True, True, True]]
    assert jnp.isfinite(moved).all()
    assert (moved == 0).tolist() == zeros
    assert moved.dtype == param


REFUSED = {
    "complex": jnp.ones((2, 2), jnp.complex64),
    "integers": jnp.ones((2, 2), jnp.int32),
    "bools": jnp.ones((2, 2), bool),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", ["add_compressibility", "add_penalty", "apply_prox", "prox_adam"])
def test_selected_leaves_that_are_no_real_weights_are_named(name, kind):
    tx = {
        "add_compressibility": lambda: jaxcomp.add_compressibility(0.1, mask={"w": True}),
        "add_penalty": lambda: jaxcomp.add_penalty("l1", 0.1, mask={"w": True}),
        "apply_prox": lambda: jaxcomp.apply_prox("soft", 0.1, 1.0, mask={"w": True}),
        "prox_adam": lambda: jaxcomp.prox_adam("soft", 0.1, 1.0, mask={"w": True}),
    }[name]()
    params = {"w": REFUSED[kind]}
    with pytest.raises(TypeError, match=rf"'w' is an array of type {params['w'].dtype} and shape"):
        jax.eval_shape(lambda p: tx.update(p, tx.init(p), p), params)


@pytest.mark.usefixtures("standard_promotion")
def test_complex_weights_are_pruned_by_their_magnitude():
    params = {"w": jnp.array([[1 + 5j, 2 - 1j, 0.1j]])}
    tx = jaxcomp.prune_gradually(1 / 3, mask={"w": True})
    updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
    assert optax.apply_updates(params, updates)["w"].tolist() == [[2 + 5j, 0, 0]]


def test_a_mask_that_selects_nothing_names_the_leaves():
    params = {"layer": {"bias": jnp.ones(3), "scale": jnp.ones(3)}}
    for tx in (jaxcomp.add_compressibility(1.0), jaxcomp.prune_gradually(0.5)):
        with pytest.raises(ValueError, match=r"none of the leaves \['layer/bias', 'layer/scale'\]"):
            tx.init(params)


def test_a_mask_of_another_structure_is_told_so():
    params = {"kernel": jnp.ones((2, 2))}
    for make in (jaxcomp.add_compressibility, jaxcomp.prune_gradually):
        with pytest.raises(ValueError, match="the mask must have the tree structure"):
            make(0.5, mask={"zz": True}).init(params)


def test_a_whole_module_is_told_to_give_its_arrays():
    model = eqx.nn.MLP(2, 2, 2, depth=1, key=jax.random.key(0))
    for tx in (jaxcomp.add_compressibility(1.0), jaxcomp.keep_masked(True)):
        with pytest.raises(TypeError, match=r"'activation.*is a.*eqx\.filter"):
            tx.init(model)


def test_the_second_call_compiles_nothing_and_keeps_the_state_s_structure(name):
    params, update = small_params(), made(name)[-1]
    state = made(name)[0].init(params)
    _, new = update(ones(params), state, params)
    programs = update._cache_size()
    update(ones(params), new, params)
    assert update._cache_size() == programs
    assert jax.tree.map(jnp.shape, new) == jax.tree.map(jnp.shape, state)


def test_init_works_on_shapes_alone():
    params = jax.eval_shape(small_params)
    jaxcomp.add_compressibility(0.1).init(params)
    jaxcomp.keep_masked(jax.tree.map(lambda _: True, params)).init(params)


@pytest.mark.usefixtures("standard_promotion")
def test_inside_multi_steps(name):
    """In a chain of which two steps are one: the first waits."""
    params = small_params()
    tx = optax.MultiSteps(optax.chain(made(name)[0], optax.sgd(0.1)), every_k_schedule=2)
    state, update = jax.jit(tx.init)(params), jax.jit(tx.update)
    first, state = update(ones(params), state, params)
    second, _ = update(ones(params), state, params)
    assert not any(np.asarray(u).any() for u in jax.tree.leaves(first))
    assert_same(second, jax.tree.map(lambda u: -0.1 * np.asarray(u), updated(name, params)[0]))


def test_inside_masked(transform):
    params, mask = small_params(), {"Dense_0": True, "Dense_1": False}
    tx = optax.masked(transform, mask)
    updates, _ = jax.jit(lambda p: tx.update(ones(p), tx.init(p), p))(params)
    assert_same(updates["Dense_1"], ones(params)["Dense_1"])
    assert not np.allclose(updates["Dense_0"]["kernel"], 1.0)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_sharded_parameters_give_the_same_updates_and_stay_sharded(name, kind):
    params = {"kernel": np.asarray(small_params()["Dense_0"]["kernel"]).repeat(8, axis=0)}
    expected, _ = updated(name, params)
    params = sharded(params, kind=kind)
    with jax.set_mesh(params["kernel"].sharding.mesh):
        updates, _ = updated(name, params)
    assert_same(updates, expected)
    assert updates["kernel"].sharding.is_equivalent_to(params["kernel"].sharding, 2)


def test_a_restored_state_goes_on_as_if_nothing_had_happened(name, tmp_path):
    params = small_params()
    _, state = updated(name, params)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "state", jax.eval_shape(lambda: state))
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    assert_same(updated(name, params, restored), updated(name, params, state))


class LinenNet(nn.Module):
    def setup(self):
        self.hidden, self.out = nn.Dense(4), nn.Dense(3)

    def __call__(self, x):
        return self.out(self.hidden(x))


class NNXNet(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(4, 4, rngs=rngs)
        self.out = nnx.Linear(4, 3, rngs=rngs)


@functools.cache
def equinox_net():
    """The arrays of a network in Equinox, without its functions."""
    return eqx.partition(eqx.nn.MLP(4, 3, 4, depth=1, key=jax.random.key(0)), eqx.is_inexact_array)[
        0
    ]


def arrays(seed):
    """Weights of two layers in Linen's form, with exact zeros among them."""
    rng = np.random.default_rng(seed)

    def layer(*shape):
        kernel = rng.normal(size=shape) * (rng.random(shape) < 0.8)
        return {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.ones(shape[1:])}

    return {"hidden": layer(4, 4), "out": layer(4, 3)}


def in_nnx(name, params, gradients, **options):
    net = NNXNet(nnx.Rngs(0))
    nnx.update(net, params)
    optimizer = nnx.Optimizer(net, made(name, **options)[0], wrt=nnx.Param)

    @nnx.jit
    def step(net, optimizer, gradients):
        given = nnx.state(net, nnx.Param)
        nnx.replace_by_pure_dict(given, gradients)
        optimizer.update(net, given)

    step(net, optimizer, gradients)
    return nnx.to_pure_dict(nnx.state(net, nnx.Param))


def in_equinox(name, params, gradients, **options):
    """Where weights are [outputs, inputs]."""

    def filled(tree):
        leaves = [leaf for n in tree for leaf in (tree[n]["kernel"].T, tree[n]["bias"])]
        return eqx.tree_at(
            lambda net: [leaf for one in net.layers for leaf in (one.weight, one.bias)],
            equinox_net(),
            leaves,
        )

    params, gradients = filled(params), filled(gradients)
    updates, _ = updated(name, params, gradients=gradients, **options)
    hidden, out = eqx.apply_updates(params, updates).layers
    return {
        name: {"kernel": layer.weight.T, "bias": layer.bias}
        for name, layer in (("hidden", hidden), ("out", out))
    }


def test_the_arrays_are_those_of_a_network_in_linen():
    of_linen = jax.eval_shape(LinenNet().init, jax.random.key(0), jnp.ones((1, 4)))["params"]
    assert of_linen == jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape, w.dtype), arrays(0))


@pytest.mark.parametrize("framework", [in_nnx, in_equinox])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_network_of_each_framework_moves_as_that_in_linen_does(name, framework):
    params, gradients = arrays(0), arrays(1)
    expected = optax.apply_updates(params, updated(name, params, gradients=gradients)[0])
    options = {}
    if framework is in_equinox and name in OF_UNITS:
        with pytest.raises(ValueError, match=r'layout="torch".*network=jaxcomp\.trace'):
            framework(name, params, gradients)
        options["layout"] = "torch"
    got = framework(name, params, gradients, **options)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got, expected)
    assert not np.allclose(got["out"]["kernel"], params["out"]["kernel"])
