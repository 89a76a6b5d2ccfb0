"""Small networks in NNX, Equinox and plain dicts."""

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import nnx

from tests.prune.networks.kind import Kind, images

# NNX


class NnxCnn(nnx.Module):
    def __init__(self, rngs):
        self.a = nnx.Conv(2, 6, (3, 3), padding="VALID", use_bias=False, rngs=rngs)
        self.n = nnx.BatchNorm(6, use_running_average=True, rngs=rngs)
        self.b = nnx.Conv(6, 5, (3, 3), padding="VALID", rngs=rngs)
        self.c = nnx.Linear(5, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.b(nnx.relu(self.n(self.a(x)))))
        return self.c(x.mean(axis=(1, 2)))


class NnxAttention(nnx.Module):
    def __init__(self, rngs):
        self.a = nnx.Linear(6, 8, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, 8, 8, decode=False, rngs=rngs)
        self.norm = nnx.LayerNorm(8, rngs=rngs)
        self.b = nnx.Linear(8, 10, rngs=rngs)
        self.c = nnx.Linear(10, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.a(x))
        return self.c(nnx.relu(self.b(self.norm(x + self.attention(x)))))


def nnx_kind(model, *inputs):
    graph, params, rest = nnx.split(
        nnx.eval_shape(lambda: model(nnx.Rngs(0))), (nnx.Param, nnx.BatchStat), ...
    )
    del rest  # counters of random numbers that are not drawn

    def apply(params, *x):
        return nnx.merge(graph, params, nnx.State({}))(*x)

    return Kind(apply, params, inputs)


# Equinox


class EqxCnn(eqx.Module):
    layers: list

    def __init__(self, key):
        one, two, three = jax.random.split(key, 3)
        self.layers = [
            eqx.nn.Conv2d(2, 6, 3, key=one),
            jax.nn.relu,
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.Conv2d(6, 6, 2, groups=3, key=two),
            eqx.nn.PReLU(),
            eqx.nn.AvgPool2d(2, 1, padding=1),
            lambda x: x.mean(axis=(1, 2)),
            eqx.nn.Linear(6, 3, key=three),
        ]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class EqxAttention(eqx.Module):
    a: eqx.nn.Linear
    attention: eqx.nn.MultiheadAttention
    norm: eqx.nn.LayerNorm
    b: eqx.nn.Linear

    def __init__(self, key):
        one, two, three = jax.random.split(key, 3)
        self.a = eqx.nn.Linear(6, 8, key=one)
        self.attention = eqx.nn.MultiheadAttention(
            2, 8, use_value_bias=True, use_output_bias=True, use_query_bias=True, key=two
        )
        self.norm = eqx.nn.LayerNorm(8)
        self.b = eqx.nn.Linear(8, 3, key=three)

    def __call__(self, x):
        x = jax.nn.relu(jax.vmap(self.a)(x))
        x = x + self.attention(x, x, x)
        return jax.vmap(self.b)(jax.vmap(self.norm)(x))


class EqxBlock(eqx.Module):
    one: eqx.nn.Linear
    other: eqx.nn.Linear

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.one = eqx.nn.Linear(6, 9, key=first)
        self.other = eqx.nn.Linear(9, 6, key=second)

    def __call__(self, x):
        return x + self.other(jax.nn.relu(self.one(x)))


class EqxScanned(eqx.Module):
    blocks: EqxBlock
    last: eqx.nn.Linear

    def __init__(self, key):
        self.blocks = eqx.filter_vmap(EqxBlock)(jax.random.split(key, 3))
        self.last = eqx.nn.Linear(6, 3, key=key)

    def __call__(self, x):
        arrays, rest = eqx.partition(self.blocks, eqx.is_array)
        x, _ = jax.lax.scan(lambda x, one: (eqx.combine(one, rest)(x), None), x, arrays)
        return self.last(x)


class EqxRecurrent(eqx.Module):
    cell: eqx.nn.GRUCell
    last: eqx.nn.Linear

    def __init__(self, key):
        self.cell = eqx.nn.GRUCell(6, 5, key=key)
        self.last = eqx.nn.Linear(5, 3, key=key)

    def __call__(self, x):
        state, _ = jax.lax.scan(lambda h, one: (self.cell(one, h), None), jnp.zeros(5), x)
        return self.last(state)


def eqx_kind(model, inputs):
    shapes = eqx.filter_eval_shape(model, jax.random.key(0))
    params, rest = eqx.partition(shapes, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    return Kind(lambda params, x: jax.vmap(eqx.combine(params, rest))(x), params, (inputs,))


# Plain dicts


def shapes_of(**shapes):
    return {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}


def standardized(params, x):
    """Weights that are standardized before they are used."""
    kernel = params["a"] - params["a"].mean(axis=0, keepdims=True)
    kernel = kernel * jax.lax.rsqrt((kernel**2).mean(axis=0, keepdims=True) + 1e-5)
    return jax.nn.relu(x @ kernel + params["b"][None]) @ params["c"] + params["d"][None]


def normalized(params, x):
    """Weights of a direction and a length."""
    length = jnp.linalg.norm(params["a"], axis=0, keepdims=True) + 1e-6
    kernel = params["a"] / length * params["g"][None]
    return jax.nn.relu(x @ kernel + params["b"][None]) @ params["c"] + params["d"][None]


def masked(params, x):
    kernel = params["a"] * (params["m"] > 0)
    return jax.nn.relu(x @ kernel + params["b"][None]) @ params["c"] + params["d"][None]


def branches(params, x):
    def one(x):
        return jax.nn.relu(x @ params["a"] + params["b"][None])

    def other(x):
        return jnp.tanh(x @ params["a"]) * params["m"][None]

    return jax.lax.cond(x.sum() > 0, one, other, x) @ params["c"] + params["d"][None]


def tied(params, x):
    code = jax.nn.relu(x @ params["a"] + params["b"][None])
    return code @ params["a"].T + params["e"][None], params["d"]


def fed_twice(params, x):
    hidden = jax.nn.relu(x @ params["a"] + params["b"][None])
    one = hidden @ params["c"] + params["d"][None]
    return one, jnp.tanh(hidden) @ params["c2"] + params["d2"][None], x * params["e"][None]


def low_rank(params, x):
    hidden = jax.nn.relu((x @ params["u"]) @ params["v"] + params["b"][None])
    return hidden @ params["c"] + params["d"][None]


def lora(params, x):
    kernel = params["a"] + params["u"] @ params["v"]
    return jax.nn.relu(x @ kernel + params["b"][None]) @ params["c"] + params["d"][None]


def experts(params, x):
    """A sum of dense layers with weights of each, which depend on the input."""
    gates = jax.nn.softmax(x @ params["g"])
    hidden = jax.nn.relu(jnp.einsum("ni,eih->neh", x, params["k"]) + params["l"][None])
    return jnp.einsum("ne,neh,eho->no", gates, hidden, params["o"])


def kinds():
    """Return a builder for each kind."""
    x = images(8, 5)
    layers = shapes_of(a=(5, 9), b=(9,), c=(9, 4), d=(4,))

    def plain(apply, **more):
        return lambda: Kind(apply, layers | shapes_of(**more), (x,))

    return {
        "NNX, CNN": lambda: nnx_kind(NnxCnn, images(4, 7, 7, 2)),
        "NNX, attention": lambda: nnx_kind(NnxAttention, images(4, 5, 6)),
        "Equinox, CNN": lambda: eqx_kind(EqxCnn, images(4, 2, 8, 8)),
        "Equinox, attention": lambda: eqx_kind(EqxAttention, images(4, 5, 6)),
        "Equinox, scanned": lambda: eqx_kind(EqxScanned, images(4, 6)),
        "Equinox, recurrent": lambda: eqx_kind(EqxRecurrent, images(4, 5, 6)),
        "Equinox, MLP": lambda: eqx_kind(lambda key: eqx.nn.MLP(5, 3, 8, 2, key=key), x),
        "standardized weights": plain(standardized),
        "direction and length": plain(normalized, g=(9,)),
        "masked weights": plain(masked, m=(5, 9)),
        "branches": plain(branches, m=(9,)),
        "tied": plain(tied, e=(5,)),
        "fed twice": plain(fed_twice, c2=(9, 2), d2=(2,), e=(5,)),
        "low rank": plain(low_rank, u=(5, 3), v=(3, 9)),
        "low rank update": plain(lora, u=(5, 3), v=(3, 9)),
        "experts": plain(experts, g=(5, 3), k=(3, 5, 4), l=(3, 4), o=(3, 4, 2)),
    }
