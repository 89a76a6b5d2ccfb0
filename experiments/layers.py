"""The layers of models in order: for the removal of dead units, and for what is set by layer."""

import math
from collections.abc import Iterator, Sequence

import flax.linen as nn

from jaxcomp.models.vgg import POOLED, VGG16
from jaxcomp.prune.dead_units import Activation, BatchNorm, Conv, Dense, Flatten, Layer, MaxPool


def _vgg_16() -> Iterator[Layer]:
    for index in range(len(VGG16.widths) - 1):
        yield Conv(f"Conv_{index}", padding="SAME")
        yield BatchNorm(f"BatchNorm_{index}", use_running_average=True)
        yield Activation(nn.relu)
        if index in POOLED:
            yield MaxPool()
    yield Flatten(positions=1)  # of images of 32 x 32
    yield Dense("Dense_0")
    yield Activation(nn.relu)
    yield Dense("Dense_1")


# Residual networks are not among them: option A's shortcuts have no counterpart there.
LAYERS: dict[str, tuple[Layer, ...]] = {
    "lenet_300_100": (
        Dense("Dense_0"),
        Activation(nn.relu),
        Dense("Dense_1"),
        Activation(nn.relu),
        Dense("Dense_2"),
    ),
    "lenet_5_caffe": (
        Conv("Conv_0", padding="VALID"),
        MaxPool(),
        Conv("Conv_1", padding="VALID"),
        MaxPool(),
        Flatten(positions=16),  # 4 x 4, of images of 28 x 28
        Dense("Dense_0"),
        Activation(nn.relu),
        Dense("Dense_1"),
    ),
    "vgg_16": tuple(_vgg_16()),
}
# Models whose units can be taken out while they are trained.
CHAINS = tuple(
    name
    for name, layers in LAYERS.items()
    if not any(isinstance(layer, BatchNorm) for layer in layers)
)


def with_weights(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The names of dense layers and convolutions."""
    return tuple(layer.name for layer in layers if isinstance(layer, Dense | Conv))


def input_units(layers: Sequence[Layer], shape: Sequence[int]) -> int:
    """How many inputs the first layer has: channels of an image [h, w, c], or all of its values."""
    return shape[-1] if isinstance(layers[0], Conv) else math.prod(shape)
