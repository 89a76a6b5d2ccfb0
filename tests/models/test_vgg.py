"""The network of Simonyan and Zisserman beyond what the contract of all models asks for."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import pytest

from jaxcomp.models import MODELS, VGG16
from jaxcomp.trees import named_leaves

CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
IMAGES = jnp.zeros((1, 32, 32, 3))


def test_parameters_by_hand():
    convolutions = sum(9 * i * o + 2 * o for i, o in pairwise(CHANNELS))
    total = convolutions + 512 * 512 + 512 + 512 * 10 + 10
    params = jax.eval_shape(MODELS["vgg_16"]().init, jax.random.key(0), IMAGES)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == total
    assert total / 1e6 == pytest.approx(15.0, abs=0.05)


def test_widths_are_those_of_the_layers():
    widths = tuple(range(2, 16))
    params = jax.eval_shape(VGG16(widths=widths).init, jax.random.key(0), IMAGES)["params"]
    kernels = {n: leaf.shape for n, leaf in named_leaves(params).items() if n.endswith("kernel")}
    assert [kernels[f"Conv_{i}/kernel"][-1] for i in range(13)] == list(widths[:13])
    assert (kernels["Dense_0/kernel"], kernels["Dense_1/kernel"]) == ((14, 15), (15, 10))


def test_pooling_is_after_the_layers_of_configuration_d():
    model = VGG16(widths=(1,) * 14)

    def sizes(images):
        _, seen = model.init_with_output(
            jax.random.key(0), images, capture_intermediates=True, mutable=True
        )
        return seen["intermediates"]

    seen = jax.eval_shape(sizes, IMAGES)
    heights = [seen[f"Conv_{i}"]["__call__"][0].shape[1] for i in range(13)]
    assert heights == [32] * 2 + [16] * 2 + [8] * 3 + [4] * 3 + [2] * 3
