"""Residual networks beyond what the contract of all models asks for."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.models import MODELS, ResNet50, ResNetCIFAR
from jaxcomp.models.resnet import BottleneckBlock
from jaxcomp.trees import named_leaves
from tests.helpers import IDENTITY
from tests.models.variables import random_variables

IMAGES = jax.random.normal(jax.random.key(0), (3, 8, 8, 3))
SMALL = ResNetCIFAR(depth=8)


def conv(size, inputs, outputs):
    """Parameters of a convolution and the normalization after it."""
    return size * size * inputs * outputs + 2 * outputs


def sizes(model):
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    return [leaf.size for leaf in jax.tree.leaves(params)]


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46)])
def test_parameters_for_small_images_by_hand(depth, millions):
    twice = 2 * (depth - 2) // 6  # convolutions of a stage
    total = conv(3, 3, 16) + twice * conv(3, 16, 16) + 64 * 10 + 10
    total += conv(3, 16, 32) + (twice - 1) * conv(3, 32, 32)
    total += conv(3, 32, 64) + (twice - 1) * conv(3, 64, 64)
    assert sum(sizes(MODELS[f"resnet_{depth}"]())) == total
    assert total / 1e6 == pytest.approx(millions, abs=0.005)


def test_parameters_for_imagenet_by_hand():
    total, inputs = conv(7, 3, 64) + 2048 * 1000 + 1000, 64
    for channels, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        outputs = 4 * channels
        total += conv(1, inputs, outputs)  # the shortcut of the first block
        for _ in range(blocks):
            total += conv(1, inputs, channels) + conv(3, channels, channels)
            total += conv(1, channels, outputs)
            inputs = outputs
    assert sum(sizes(ResNet50())) == total
    assert total / 1e6 == pytest.approx(25.6, abs=0.05)
    # 53 convolutions with scale and bias after each, and a dense layer.
    assert len(sizes(ResNet50())) == 53 * 3 + 2 == 161


def test_without_weights_in_the_blocks_only_the_shortcuts_are_left():
    variables = random_variables(SMALL, IMAGES)
    params, stats = variables["params"], variables["batch_stats"]["BatchNorm_0"]
    for name in (name for name in params if name.startswith("BasicBlock")):
        params[name] = jax.tree.map(np.zeros_like, params[name])
    logits = jax.jit(SMALL.apply)(variables, IMAGES)
    first = nn.Conv(16, (3, 3), use_bias=False).apply({"params": params["Conv_0"]}, IMAGES)
    normal = (np.asarray(first) - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    scale, bias = params["BatchNorm_0"]["scale"], params["BatchNorm_0"]["bias"]
    x = np.maximum(normal * scale + bias, 0)
    # Two stages have stride 2, and fill 16 channels up to 64 on both sides.
    mean = x[:, ::4, ::4].mean(axis=(1, 2))
    expected = mean @ params["Dense_0"]["kernel"][24:40] + params["Dense_0"]["bias"]
    np.testing.assert_allclose(logits, expected, rtol=IDENTITY, atol=IDENTITY)


def test_training_normalizes_by_the_batch_and_moves_the_statistics_by_a_tenth():
    variables = random_variables(SMALL, IMAGES)
    train = jax.jit(partial(SMALL.apply, train=True, mutable=["batch_stats"]))
    logits, new = train(variables, IMAGES)
    shifted = jax.tree.map(lambda leaf: leaf + 1, variables["batch_stats"])
    other, moved = train({**variables, "batch_stats": shifted}, IMAGES)
    assert jnp.array_equal(logits, other)
    changes = jax.tree.map(lambda a, b: np.asarray(a) - b, moved, new)
    for name, change in named_leaves(changes).items():
        np.testing.assert_allclose(change, np.full_like(change, 0.9), rtol=1e-5, err_msg=name)
    assert not jnp.allclose(jax.jit(SMALL.apply)(variables, IMAGES), logits, rtol=0.01)


@pytest.mark.parametrize("depth", [2, 18, 21, -4])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=rf"6 n \+ 2, .* got {depth}"):
        jax.eval_shape(ResNetCIFAR(depth=depth).init, jax.random.key(0), IMAGES)


def test_a_bottleneck_block_starts_as_its_shortcut():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    block = BottleneckBlock(channels=2, stride=1, dtype=None, train=False)
    variables = random_variables(block, x)
    start = jax.jit(lambda: block.init(jax.random.key(1), x)["params"]["BatchNorm_2"])
    variables["params"]["BatchNorm_2"] = start()
    assert jnp.array_equal(jax.jit(block.apply)(variables, x), jnp.maximum(x, 0))


def test_the_convolution_in_the_middle_has_the_stride():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    strided, plain = (BottleneckBlock(2, stride, dtype=None, train=False) for stride in (2, 1))
    variables = random_variables(strided, x)

    @partial(jax.jit, static_argnums=0)
    def outputs(block, variables):
        _, seen = block.apply(variables, x, capture_intermediates=True, mutable=["intermediates"])
        return [seen["intermediates"][f"Conv_{i}"]["__call__"][0] for i in range(2)]

    (first, middle), (same, whole) = outputs(strided, variables), outputs(plain, variables)
    assert jnp.array_equal(first, same)
    np.testing.assert_allclose(middle, whole[:, ::2, ::2], rtol=IDENTITY, atol=IDENTITY)
