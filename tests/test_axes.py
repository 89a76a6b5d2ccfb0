"""Where the axes of leaves come from: networks, layouts, and the trees of each framework."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxcomp
from jaxcomp.axes import KERNEL, STACK, UNITS, Axes, leaf_axes, own_axes
from jaxcomp.losses import compressibility_tree, gate, group_norms, penalty_tree
from jaxcomp.parametrized import latent_mask, values
from jaxcomp.prune import Units, apply_mask, top_k_mask
from jaxcomp.quantize import Quantized, few_levels, ternarize
from jaxcomp.trees import named_leaves, weight_mask
from tests.units import Network, Parameter, network

pytestmark = pytest.mark.usefixtures("standard_promotion")
LINEAR = eqx.filter(eqx.nn.Linear(8, 4, key=jax.random.key(0)), eqx.is_array)
OUT_IN = {"torch": {"layout": "torch"}}
OUT_IN["traced"] = {
    "network": Network(
        {
            "weight": Parameter("dense", Axes((1,), (0,))),
            "bias": Parameter("elementwise", None, "it is added"),
        }
    )
}


@pytest.mark.parametrize("source", OUT_IN.values(), ids=OUT_IN)
def test_an_equinox_layer_has_a_level_for_each_output(source):
    """The cases by number of a layer with 8 inputs and 4 outputs."""
    node = ternarize(LINEAR, per="unit", **source).weight
    assert node.levels.shape == (1, 4, 1)
    l1, squares = jnp.abs(LINEAR.weight).sum(1), jnp.square(LINEAR.weight).sum(1)
    np.testing.assert_allclose(node.levels[0, :, 0], squares / l1, rtol=1e-5)
    assert group_norms(LINEAR.weight, "unit", layout="torch").shape == (4,)
    keep = top_k_mask(LINEAR, 0.5, pattern=Units(), **source).weight
    assert sorted(keep.sum(axis=1).tolist()) == [0, 0, 8, 8]


WITHOUT = {
    "scope": lambda: compressibility_tree(LINEAR, scope="unit"),
    "groups": lambda: penalty_tree(LINEAR, "l1", groups="unit"),
    "per": lambda: ternarize(LINEAR, per="unit"),
    "few_levels": lambda: few_levels(LINEAR, 2, per="unit"),
    "pattern": lambda: top_k_mask(LINEAR, 0.5, pattern=Units()),
    "inside of others": lambda: compressibility_tree({"a": [LINEAR]}, scope="unit"),
    "add_compressibility": lambda: jaxcomp.add_compressibility(1.0, scope="unit").init(LINEAR),
    "add_penalty": lambda: jaxcomp.add_penalty("l1", 1.0, groups="input").init(LINEAR),
    "apply_prox": lambda: jaxcomp.apply_prox("group_unit", 1.0, 1.0).init(LINEAR),
    "prune_gradually": lambda: jaxcomp.prune_gradually(0.5, pattern=Units()).init(LINEAR),
    "score": lambda: jaxcomp.prune_gradually(
        0.5, score=jaxcomp.prune.structured_magnitude(1.0)
    ).init(LINEAR),
}


@pytest.mark.parametrize("option", WITHOUT)
def test_an_equinox_module_without_a_layout_is_refused(option):
    with pytest.raises(ValueError, match=r'layout="torch".*network=jaxcomp\.trace\(apply'):
        WITHOUT[option]()


def test_without_units_an_equinox_module_needs_no_layout():
    compressibility_tree(LINEAR, scope="tensor")
    top_k_mask(LINEAR, 0.5, scope="tensor")
    ternarize(LINEAR)
    for score in (None, jaxcomp.prune.structured_magnitude(0.0)):
        jaxcomp.prune_gradually(0.5, score=score).init(LINEAR)
    told = jaxcomp.prune.structured_magnitude(1.0, layout="torch")
    jaxcomp.prune_gradually(0.5, score=told).init(LINEAR)
    jaxcomp.apply_prox(jaxcomp.prox.Group("unit", layout="torch"), 1.0, 1.0).init(LINEAR)


class Scanned(nn.Module):
    @nn.compact
    def __call__(self, x):
        layer = nn.scan(Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        return layer()(x, None)[0]


class Layer(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return nn.Dense(4)(x + nn.MultiHeadDotProductAttention(num_heads=2)(x)), None


def test_leaves_are_found_in_wrapped_trees():
    """Those of NNX are in variables at `init` only; `optax.masked` hides some."""
    axes = Axes((0,), (1,))
    known = Network(
        {
            "kernel": Parameter("dense", axes),
            "bias": Parameter("elementwise", None, "it is added"),
        }
    )
    tx = optax.chain(
        jaxcomp.add_compressibility(0.1, scope="unit", network=known),
        optax.adam(0.1),
        jaxcomp.prune_gradually(0.5, pattern=Units(), network=known),
    )
    layer = nnx.Linear(8, 4, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(layer, tx, wrt=nnx.Param)
    gradients = nnx.grad(lambda layer: jnp.mean(layer(jnp.ones((2, 8))) ** 2))(layer)
    optimizer.update(layer, gradients)
    kernel = layer.kernel[...]
    assert (kernel != 0).any(axis=0).sum() == 2


def test_scanned_attention_of_linen_by_the_trace():
    """Its kernels are [layers, d, heads, features], which no layout knows."""
    model, x = Scanned(), jnp.ones((1, 2, 4))
    params = model.init(jax.random.key(0), x)["params"]
    known = jaxcomp.trace(lambda params, x: model.apply({"params": params}, x), params, x)
    found = ternarize(params, per="unit", network=known)["ScanLayer_0"]
    shapes = {
        name.removeprefix("MultiHeadDotProductAttention_0/"): leaf.shape
        for name, leaf in named_leaves(found).items()
        if name.endswith("levels")
    }
    heads = {f"{name}/kernel/levels": (1, 3, 1, 2, 2) for name in ("query", "key", "value")}
    assert shapes == heads | {
        "out/kernel/levels": (1, 3, 1, 1, 4),
        "Dense_0/kernel/levels": (1, 3, 1, 4),
    }
    kernel = params["ScanLayer_0"]["MultiHeadDotProductAttention_0"]["query"]["kernel"]
    levels = found["MultiHeadDotProductAttention_0"]["query"]["kernel"].levels
    for i in range(3):
        alone = ternarize({"kernel": kernel[i].reshape(4, 4)}, per="unit")["kernel"]
        np.testing.assert_allclose(levels[:, i].reshape(1, 4), alone.levels, rtol=1e-6)
    # A bias is stacked, but has no inputs.
    with pytest.raises(ValueError, match=r"axes of '.*bias' that are inputs.*: is added to data"):
        top_k_mask(params, 0.5, pattern=Units(), mask=True, network=known)


@pytest.mark.parametrize("source", OUT_IN.values(), ids=OUT_IN)
def test_levels_of_another_axis_are_trained_frozen_and_stored(source, tmp_path):
    keep = top_k_mask(LINEAR, 0.5, **source)
    few = ternarize(apply_mask(LINEAR, keep), per="unit", **source)
    tx = optax.chain(optax.adam(0.01), jaxcomp.keep_masked(latent_mask(few, keep)))
    state, x = tx.init(few), jnp.arange(8.0)

    @jax.jit
    def loss(few):
        one = values(few)
        return jnp.sum((one.weight @ x + one.bias - 1) ** 2)

    first = loss(few)
    for _ in range(5):
        updates, state = tx.update(jax.grad(loss)(few), state, few)
        few = optax.apply_updates(few, updates)
    assert loss(few) < first
    weight = np.asarray(values(few).weight)
    for row in weight:
        assert len(np.unique(np.abs(row[row != 0]))) == 1
    jaxcomp.save(tmp_path / "m.jxc", {"weight": weight})
    np.testing.assert_array_equal(jaxcomp.load(tmp_path / "m.jxc")["weight"], weight)


def test_nodes_are_known_by_the_name_of_their_tensor():
    axes = Axes((1,), (0,))
    known = network(layer=axes)
    params = {"layer": {"kernel": jnp.ones((4, 8))}}
    few, gated = ternarize(params), gate(params)
    assert leaf_axes(gated, True, UNITS, network=known) == [axes, axes]
    weights = weight_mask(few, network=known)
    assert weights == {"layer": {"kernel": Quantized(latent=True, levels=False)}}
    assert weight_mask(few) == weights
    assert leaf_axes(few, weights, UNITS, network=known) == [axes, None]
    gates = penalty_tree(gate(params), "l0_hard_concrete", scope="tensor", network=known)
    assert gates == penalty_tree(gate(params), "l0_hard_concrete")


def test_what_a_network_does_not_know_is_named():
    known = Network({"w": Parameter("unknown", None, "it is used by a custom call")})
    params = {"w": jnp.ones((2, 3))}
    message = "axes of 'w' that are units: it is used by a custom call; leave it out"
    with pytest.raises(ValueError, match=message):
        compressibility_tree(params, scope="unit", mask=True, network=known)
    assert leaf_axes(params, True, STACK, network=known) == [None]
    with pytest.raises(ValueError, match=r"no parameter 'v', it has 'w': trace it with"):
        compressibility_tree({"v": params["w"]}, scope="tensor", mask=True, network=known)
    with pytest.raises(ValueError, match="are not axes of 'w', which has 2"):
        leaf_axes(
            params, True, KERNEL, network=Network({"w": Parameter("dense", Axes((1,), (2,)))})
        )


def test_two_sources_are_refused():
    with pytest.raises(ValueError, match="a network or layout='torch', not both"):
        compressibility_tree(LINEAR, **OUT_IN["torch"], **OUT_IN["traced"])
    with pytest.raises(ValueError, match="or layout='flax', not both"):
        group_norms(LINEAR.weight, "unit", axes=Axes((1,), (0,)), layout="flax")
    told = jaxcomp.prox.Group("unit", layout="torch")
    with pytest.raises(ValueError, match="has axes of its own"):
        jaxcomp.apply_prox(told, 1.0, 1.0, layout="torch")


@pytest.mark.parametrize("axes", [Axes((0,), (0,)), Axes((0,), (-1,)), Axes((0,), (2,))])
def test_axes_that_do_not_fit_are_refused(axes):
    with pytest.raises(ValueError, match="are not axes of 'w', which has 2"):
        own_axes("w", 2, axes, None)
