"""What each parameter of a network is, found by tracing it, against what its author would say."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxcomp import trace
from jaxcomp.axes import Axes
from jaxcomp.models import MODELS

KEY = jax.random.key(0)


def shaped(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def linen(module, *inputs):
    """The network of a Linen module, without parameters in memory."""
    variables = jax.eval_shape(module.init, KEY, *inputs)
    return trace(module.apply, variables["params"] and variables, *inputs)


def equinox(module, *inputs):
    arrays, static = eqx.partition(module, eqx.is_array)
    return trace(lambda p, *x: jax.vmap(eqx.combine(p, static))(*x), arrays, *inputs)


def found(network):
    """Use and axes of each parameter, by name."""
    return {
        name.removeprefix("params/"): (one.use, *(one.axes or ()))
        for name, one in network.parameters.items()
    }


def dense(into, out, window=(), stack=()):
    return ("dense", into, out, window, stack)


def conv(into, out, window, stack=()):
    return ("convolution", into, out, window, stack)


def beside(*axes, stack=()):
    return ("elementwise", (), axes, (), stack)


class Convolutional(eqx.Module):
    """Plain and depthwise convolutions, and a dense layer."""

    layers: list

    def __init__(self):
        self.layers = [
            eqx.nn.Conv2d(3, 8, 3, key=KEY),
            jax.nn.relu,
            eqx.nn.Conv2d(8, 8, 3, groups=8, key=KEY),
            eqx.nn.AvgPool2d(2, 2),
            jnp.ravel,
            eqx.nn.Linear(8 * 4 * 4, 10, key=KEY),
        ]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.mark.usefixtures("standard_promotion")
def test_equinox_has_outputs_first():
    network = equinox(Convolutional(), shaped(2, 3, 12, 12))
    assert found(network) == {
        "layers/0/weight": conv((1,), (0,), (2, 3)),
        "layers/0/bias": beside(0),
        "layers/2/weight": conv((1,), (0,), (2, 3)),
        "layers/2/bias": beside(0),
        "layers/5/weight": dense((1,), (0,)),
        "layers/5/bias": beside(0),
    }
    assert network.parameters["layers/2/weight"].groups == 8


class Block(nn.Module):
    """A block to be stacked."""

    @nn.compact
    def __call__(self, x, _):
        return x + nn.Dense(4)(nn.relu(nn.Dense(6)(nn.LayerNorm()(x)))), None


class Stacked(nn.Module):
    """Scanned and rematerialized blocks, attention, a grouped convolution."""

    @nn.compact
    def __call__(self, x):
        blocks = nn.scan(
            nn.remat(Block), variable_axes={"params": 0}, split_rngs={"params": True}, length=3
        )
        x, _ = blocks(name="blocks")(x, None)
        x = nn.MultiHeadDotProductAttention(2, name="attention")(x)
        return nn.Conv(4, (3,), feature_group_count=2, name="conv")(x)


def test_stacks_heads_and_groups_of_linen():
    network = linen(Stacked(), shaped(2, 5, 4))
    both = {
        "blocks/LayerNorm_0/scale": beside(1, stack=(0,)),
        "blocks/LayerNorm_0/bias": beside(1, stack=(0,)),
        "blocks/Dense_0/kernel": dense((1,), (2,), stack=(0,)),
        "blocks/Dense_0/bias": beside(1, stack=(0,)),
        "blocks/Dense_1/kernel": dense((1,), (2,), stack=(0,)),
        "blocks/Dense_1/bias": beside(1, stack=(0,)),
        "attention/out/kernel": dense((0, 1), (2,)),
        "attention/out/bias": beside(0),
        "conv/kernel": conv((1,), (2,), (0,)),
        "conv/bias": beside(0),
    }
    for name in ("query", "key", "value"):
        both[f"attention/{name}/kernel"] = dense((0,), (1, 2))
        both[f"attention/{name}/bias"] = beside(0, 1)
    assert found(network) == both
    assert network.parameters["params/conv/kernel"].groups == 2
    assert network.parameters["params/blocks/Dense_0/kernel"].count == 3


class NnxBlock(nnx.Module):
    """A block with batch norm."""

    def __init__(self, rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)

    def __call__(self, x):
        return x + nnx.relu(self.norm(self.linear(x)))


@pytest.mark.usefixtures("standard_promotion")
def test_nnx_with_a_scanned_block():
    class Net(nnx.Module):
        def __init__(self, rngs):
            @nnx.split_rngs(splits=3)
            @nnx.vmap(in_axes=(0,), out_axes=0)
            def blocks(rngs):
                return NnxBlock(rngs)

            self.first = nnx.Conv(2, 4, (3,), rngs=rngs)
            self.blocks = blocks(rngs)

        def __call__(self, x):
            @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
            def all_blocks(x, block):
                return block(x)

            return all_blocks(self.first(x), self.blocks)

    graph, state = nnx.split(nnx.eval_shape(lambda: Net(nnx.Rngs(0))))
    network = trace(lambda state, x: nnx.merge(graph, state)(x), state, shaped(1, 5, 2))
    has = found(network)
    assert has["first/kernel"] == conv((1,), (2,), (0,))
    assert has["blocks/linear/kernel"] == dense((1,), (2,), stack=(0,))
    assert has["blocks/norm/mean"] == has["blocks/norm/var"] == beside(1, stack=(0,))


class Layer(eqx.Module):
    """A residual layer, of which `filter_vmap` makes a stack."""

    norm: eqx.nn.LayerNorm
    linear: eqx.nn.Linear

    def __init__(self, key):
        self.norm, self.linear = eqx.nn.LayerNorm(4), eqx.nn.Linear(4, 4, key=key)

    def __call__(self, x):
        return x + self.linear(self.norm(x))


@pytest.mark.usefixtures("standard_promotion")
def test_layers_that_filter_vmap_stacked():
    layers, static = eqx.partition(eqx.filter_vmap(Layer)(jax.random.split(KEY, 3)), eqx.is_array)

    def apply(layers, x):
        def step(x, layer):
            return jax.vmap(eqx.combine(layer, static))(x), None

        return jax.lax.scan(step, x, layers)[0]

    assert found(trace(apply, layers, shaped(2, 4))) == {
        "norm/weight": beside(1, stack=(0,)),
        "norm/bias": beside(1, stack=(0,)),
        "linear/weight": dense((2,), (1,), stack=(0,)),
        "linear/bias": beside(1, stack=(0,)),
    }


def test_a_tied_embedding_is_used_twice():
    network = linen(MODELS["transformer"](), shaped(2, 6, dtype=jnp.int32))
    table = network.parameters["params/Embed_0/embedding"]
    assert (table.use, table.count) == ("dense", 2)
    assert table.axes == Axes((1,), (0,))  # logits are products with its rows
    assert "looked up" in table.reason
    assert sum(one.use == "dense" for one in network.parameters.values()) == 13


def test_our_own_convolutions_are_found_behind_what_makes_them_fast():
    network = linen(MODELS["lenet_5_caffe"](), shaped(1, 28, 28, 1))
    assert network.weights == tuple(
        f"params/{name}/kernel" for name in ("Conv_0", "Conv_1", "Dense_0", "Dense_1")
    )
    assert found(network)["Conv_1/kernel"] == conv((2,), (3,), (0, 1))


W, X = shaped(4, 6), shaped(2, 4)


@jax.custom_jvp
def product_with_a_rule(w, x):
    return x @ w


product_with_a_rule.defjvps(lambda dw, y, w, x: x @ dw, lambda dx, y, w, x: dx @ w)
CASES = {
    "a transposed kernel": (lambda w, x: x @ w.T, shaped(6, 4), dense((1,), (0,))),
    "a kernel in another shape": (
        lambda w, x: x @ w.reshape(4, 6),
        shaped(4, 2, 3),
        dense((0,), (1, 2)),
    ),
    "fused q, k, v": (
        lambda w, x: sum(x @ part for part in jnp.split(w, 3, axis=1)),
        W,
        dense((0,), (1,)),
    ),
    "slices of a fused kernel": (lambda w, x: x @ w[:, :2] + x @ w[:, 2:4], W, dense((0,), (1,))),
    "weight standardization": (
        lambda w, x: x @ ((w - w.mean(0, keepdims=True)) / (w.std(0, keepdims=True) + 1e-5)),
        W,
        dense((0,), (1,)),
    ),
    "another type": (lambda w, x: x @ w.astype(jnp.bfloat16).astype(x.dtype), W, dense((0,), (1,))),
    "vmapped layers": (
        lambda w, x: jax.vmap(lambda w, x: x @ w)(w, jnp.stack([x, x])),
        shaped(2, 4, 3),
        dense((1,), (2,), stack=(0,)),
    ),
    "custom derivatives": (
        lambda w, x: product_with_a_rule(w, nn.relu(x)),
        W,
        dense((0,), (1,)),
    ),
    "a barrier with data": (
        lambda w, x: jnp.matmul(*jax.lax.optimization_barrier((x, w))),
        W,
        dense((0,), (1,)),
    ),
    "remat": (lambda w, x: jax.checkpoint(lambda w: x @ w)(w), W, dense((0,), (1,))),
    "branches": (
        lambda w, x: jax.lax.cond(x.sum() > 0, lambda: x @ w, lambda: 2 * (x @ w)),
        W,
        dense((0,), (1,)),
    ),
    "a loop over time": (
        lambda w, x: jax.lax.scan(
            lambda s, t: (jnp.tanh(s @ w + t), None), x, jnp.ones((50, 2, 4))
        )[0],
        shaped(4, 4),
        dense((0,), (1,)),
    ),
    "a table": (lambda w, x: w[x[:, 0].astype(int)], W, ("embedding", (0,), (1,), (), ())),
    "a bias": (lambda w, x: x + w, shaped(2, 4), beside(0, 1)),
    "a weight that is also added to the output": (
        lambda w, x: x @ w + w,
        shaped(4, 4),
        dense((0,), (1,)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_weights_are_followed_through(case):
    apply, w, expected = CASES[case]
    x = shaped(4, 4) if "also" in case else shaped(2, 4)
    assert found(trace(apply, w, x)) == {"": expected}


def test_a_gate_is_no_weight_and_its_weight_is():
    def apply(params, x):
        return x @ (params["w"] * jax.nn.sigmoid(params["gate"])) * params["scale"]

    network = trace(apply, {"w": W, "gate": W, "scale": shaped(1, 6)}, shaped(2, 4))
    assert found(network) == {
        "w": dense((0,), (1,)),
        "gate": beside(0, 1),
        "scale": beside(1),
    }
    assert "shapes another weight by `logistic`" in network.parameters["gate"].reason


def test_two_factors_of_a_kernel_have_their_shared_axis_where_it_belongs():
    network = trace(
        lambda p, x: x @ (p["a"] @ p["b"]), {"a": shaped(4, 2), "b": shaped(2, 6)}, shaped(1, 4)
    )
    assert found(network) == {"a": dense((0,), (1,)), "b": dense((0,), (1,))}


@pytest.mark.parametrize(
    ("apply", "why"),
    [
        (lambda w, x: x @ jnp.sort(w, axis=None).reshape(4, 6), "`sort`"),
        (lambda w, x: x @ w[:, :4] @ w[:, :4].T @ w, None),
        (lambda w, x: x @ jnp.linalg.qr(w)[0], "`householder_product`|`qr`|`geqrf`"),
        (lambda w, x: jnp.einsum("bi,ij,ij->b", x, w, w), None),
    ],
)
def test_what_is_not_understood_is_said_with_the_reason(apply, why):
    one = trace(apply, W, shaped(2, 4)).parameters[""]
    if why is None:
        assert one.use in ("unknown", "dense")
        return
    assert (one.use, one.axes) == ("unknown", None)
    assert np.any([name.strip("`") in one.reason for name in why.split("|")]), one.reason


def test_an_axis_with_two_roles_is_not_guessed():
    one = trace(lambda w, x: x @ w + x @ w.T, shaped(4, 4), shaped(2, 4)).parameters[""]
    assert (one.use, one.axes) == ("unknown", None)
    assert one.reason == "one axis is contracted in one use and free in another"


def test_what_no_output_depends_on_is_unused():
    def apply(params, x):
        x @ params["b"]
        return x @ params["a"]

    network = trace(apply, {"a": W, "b": W}, shaped(2, 4))
    assert {name: one.use for name, one in network.parameters.items()} == {
        "a": "dense",
        "b": "unused",
    }


def test_the_description_is_a_table_of_all_parameters():
    text = trace(
        lambda p, x: x @ p["w"] + p["b"][None], {"w": W, "b": shaped(6)}, shaped(2, 4)
    ).describe()
    head, rule, *rows = text.splitlines()
    assert head.split() == [
        "parameter",
        "shape",
        "used",
        "as",
        "in",
        "out",
        "window",
        "stack",
        "times",
    ]
    assert set(rule) == {"-", " "}
    assert [row.split() for row in rows] == [
        ["b", "6", "elementwise", "-", "0", "-", "-", "1", "is", "added", "to", "data"],
        ["w", "4", "6", "dense", "0", "1", "-", "-", "1"],
    ]


def test_arguments_that_are_no_arrays_are_named():
    with pytest.raises(TypeError, match=r"'layers/1' is a .*eqx.partition"):
        trace(lambda m, x: x, Convolutional(), shaped(1))
    with pytest.raises(ValueError, match="two leaves are called 'a/b'"):
        trace(lambda p, x: x, {"a/b": W, "a": {"b": W}}, shaped(1))


def test_other_parameters_than_those_traced_are_refused_by_name():
    network = trace(lambda p, x: x @ p["w"], {"w": W}, shaped(2, 4))
    with pytest.raises(ValueError, match=r"'w' had shape \(4, 6\) when .*, now \(4, 5\)"):
        network.leaves_of({"w": np.ones((4, 5))})
    with pytest.raises(ValueError, match="parameters of the structure"):
        network.leaves_of({"v": np.ones((4, 6))})
