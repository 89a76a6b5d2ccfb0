"""Small networks in Linen, one for each kind of layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.models import LeNet5Caffe, ResNetCIFAR, Transformer
from jaxcomp.models.batch_norm import unit_statistics
from jaxcomp.models.vgg import VGG16
from tests.prune.networks.kind import Kind, images, tokens


def of(model, *inputs):
    """All variables are parameters, running statistics too."""
    variables = jax.eval_shape(lambda *x: model.init(jax.random.key(0), *x), *inputs)
    return Kind(lambda variables, *x: model.apply(variables, *x), variables, inputs)


def sequence(*layers):
    """A network of layers without a class of its own."""

    class Sequence(nn.Module):
        @nn.compact
        def __call__(self, x):
            for layer in layers:
                x = layer(x)
            return x

    return Sequence()


def dense(features, **settings):
    return lambda x: nn.Dense(features, **settings)(x)


def conv(features, size=3, **settings):
    settings = {"padding": "VALID"} | settings
    return lambda x: nn.Conv(features, (size, size), **settings)(x)


def mean(x):
    return x.mean(axis=(1, 2))


def norm(x):
    return nn.BatchNorm(use_running_average=True)(x)


def residual(*layers):
    def apply(x):
        y = x
        for layer in layers:
            y = layer(y)
        return x + y

    return apply


def dense_net(x):
    for _ in range(3):
        x = jnp.concatenate([x, nn.relu(nn.Conv(4, (3, 3))(x))], axis=-1)
    return nn.Dense(3)(mean(x))


def option_a(x):
    y = nn.relu(norm(nn.Conv(6, (3, 3), strides=2, use_bias=False)(x)))
    y = norm(nn.Conv(x.shape[-1] + 2, (3, 3), use_bias=False)(y))
    return nn.relu(y + jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (1, 1))))


def projection(x):
    y = nn.relu(norm(nn.Conv(6, (3, 3), strides=2, use_bias=False)(x)))
    y = norm(nn.Conv(8, (3, 3))(y))
    return nn.relu(y + norm(nn.Conv(8, (1, 1), strides=2, use_bias=False)(x)))


def attention(x):
    return nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=8)(x)


def feed_forward(x):
    return nn.Dense(x.shape[-1])(nn.gelu(nn.Dense(10)(x)))


def gated(x):
    return nn.Dense(5)(nn.silu(nn.Dense(8)(x)) * nn.Dense(8)(x))


def bilinear(x):
    return nn.Dense(5)(nn.Dense(8)(x) * nn.Dense(8)(x))


def squeeze_and_excite(x):
    gate = nn.sigmoid(nn.Dense(x.shape[-1])(nn.relu(nn.Dense(3)(mean(x)))))
    return x * gate[:, None, None]


def channel_shuffle(x):
    *outer, channels = x.shape
    return x.reshape(*outer, 2, channels // 2).swapaxes(-1, -2).reshape(x.shape)


def permuted(x):
    return x[..., np.random.default_rng(1).permutation(x.shape[-1])]


def fused_attention(x):
    query, key, value = jnp.split(nn.Dense(24)(x), 3, axis=-1)
    scores = jax.nn.softmax(query @ key.swapaxes(-1, -2) / np.float32(8**0.5))
    return nn.Dense(6)(scores @ value)


class LayerScale(nn.Module):
    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        return x * scale.reshape((1,) * (x.ndim - 1) + scale.shape)


class Positions(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(7, 8)(tokens)
        return x + self.param("places", nn.initializers.normal(), x.shape[1:])[None]


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return x + nn.Dense(6)(nn.relu(nn.Dense(8)(x))), None


def scanned(x):
    layers = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
    return nn.Dense(3)(layers()(x, None)[0])


def remat(x):
    return nn.Dense(3)(nn.remat(Block)()(x, None)[0])


def padded_pooling(x):
    x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
    x = nn.relu(nn.Conv(5, (2, 2), padding="VALID")(x))
    one = nn.avg_pool(x, (2, 2), (1, 1), "SAME", count_include_pad=False)
    other = nn.avg_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
    return nn.Dense(3)(jnp.concatenate([mean(one), mean(other)], axis=-1))


def merged_norm():
    model = sequence(conv(6), norm, nn.relu, conv(5, padding="SAME"), norm, nn.relu, mean, dense(3))
    x = images(4, 7, 7, 2)
    kind = of(model, x)
    stats = unit_statistics(kind.params["params"])
    return Kind(
        lambda params, x: model.apply({"params": params, "batch_stats": stats}, x),
        kind.params["params"],
        (x,),
    )


def kinds():
    """Return a builder for each kind."""
    flat, small, series = (8, 5), (4, 8, 8, 4), (4, 6, 6)

    def one(*layers, shape):
        return lambda: of(sequence(*layers), images(*shape))

    def mlp(activation):
        return one(dense(12), activation, dense(9), activation, dense(4), shape=flat)

    return {
        "dense, relu": mlp(nn.relu),
        "dense, tanh": mlp(nn.tanh),
        "dense, sigmoid": mlp(nn.sigmoid),
        "dense, softplus": mlp(nn.softplus),
        "dense, gelu": mlp(nn.gelu),
        "convolutions": one(
            *(conv(6), nn.relu, lambda x: nn.max_pool(x, (2, 2), (2, 2)), conv(8, 2), nn.relu),
            *(lambda x: nn.avg_pool(x, (2, 2), (1, 1)), lambda x: x.reshape(len(x), -1), dense(4)),
            shape=(4, 9, 9, 2),
        ),
        "padded and strided": one(
            *(conv(6, padding="SAME"), nn.relu, conv(5, strides=2, padding="SAME"), nn.relu),
            *(mean, dense(4)),
            shape=small,
        ),
        "pooled alone": one(
            *(conv(6), lambda x: nn.max_pool(x, (2, 2), (2, 2)), conv(8, 2)),
            *(lambda x: nn.avg_pool(x, (2, 2), (2, 2)), dense(7), nn.relu, mean, dense(4)),
            shape=small,
        ),
        "depthwise": one(
            *(conv(6, 1), nn.relu, conv(6, feature_group_count=6), nn.relu, conv(5, 1), nn.relu),
            *(mean, dense(3)),
            shape=small,
        ),
        "grouped": one(
            *(conv(8), nn.relu, conv(6, feature_group_count=2), nn.relu, mean, dense(3)),
            shape=small,
        ),
        "shuffled": one(
            *(conv(8, 1, feature_group_count=2), channel_shuffle, nn.relu),
            *(conv(8, 2, feature_group_count=2), permuted, nn.relu, mean, dense(3)),
            shape=small,
        ),
        "batch norm": one(
            *(conv(6, use_bias=False), norm, nn.relu, conv(5), norm, nn.relu, mean, dense(3)),
            shape=small,
        ),
        "merged batch norm": merged_norm,
        "group norm": one(
            *(conv(8), lambda x: nn.GroupNorm(4)(x), nn.relu, conv(4), mean, dense(3)), shape=small
        ),
        "layer norm": one(
            *(dense(8), lambda x: nn.LayerNorm()(x), nn.relu, dense(6), nn.relu, dense(3)),
            shape=flat,
        ),
        "RMS norm": one(
            *(dense(8), residual(lambda x: nn.RMSNorm()(x), feed_forward), dense(3)), shape=flat
        ),
        "option A": one(conv(4), nn.relu, option_a, option_a, mean, dense(3), shape=small),
        "projection": one(conv(4), nn.relu, projection, projection, mean, dense(3), shape=small),
        "DenseNet": one(dense_net, shape=(4, 5, 5, 2)),
        "padded pooling": one(conv(6), nn.relu, padded_pooling, shape=small),
        "attention": one(dense(6), residual(attention), attention, dense(3), shape=series),
        "attention, fused": one(dense(6), nn.relu, fused_attention, dense(3), shape=series),
        "positions": lambda: of(
            sequence(lambda x: Positions()(x), residual(attention), feed_forward, dense(3)),
            tokens(4, 6, vocabulary=7),
        ),
        "scanned": one(dense(6), scanned, shape=flat),
        "remat": one(dense(6), remat, shape=flat),
        "gated": one(dense(6), nn.relu, gated, dense(3), shape=flat),
        "bilinear": one(dense(6), bilinear, dense(3), shape=flat),
        "squeeze and excite": one(
            conv(6), nn.relu, squeeze_and_excite, conv(4), nn.relu, mean, dense(3), shape=small
        ),
        "layer scale": one(
            dense(6), residual(feed_forward, lambda x: LayerScale()(x)), dense(3), shape=flat
        ),
        "recurrent": one(
            *(dense(5), nn.relu, lambda x: nn.RNN(nn.SimpleCell(6))(x), nn.relu, dense(3)),
            shape=series,
        ),
        "GRU": one(lambda x: nn.RNN(nn.GRUCell(6))(x), dense(3), shape=series),
        "transposed": one(
            *(conv(6), nn.relu, lambda x: nn.ConvTranspose(5, (2, 2), strides=(2, 2))(x), nn.relu),
            *(lambda x: nn.ConvTranspose(4, (3, 3), padding="VALID")(x), mean, dense(3)),
            shape=(4, 5, 5, 2),
        ),
        "LeNet-5": lambda: of(LeNet5Caffe(), images(2, 28, 28, 1)),
        "ResNet-8": lambda: of(ResNetCIFAR(depth=8), images(2, 8, 8, 3)),
        "VGG": lambda: of(
            VGG16(widths=(4, 4, 5, 5, *3 * (6,), *6 * (7,), 8)), images(2, 32, 32, 3)
        ),
        "transformer, tied": lambda: of(
            Transformer(classes=7, width=8, heads=2), tokens(3, 5, vocabulary=7)
        ),
    }
