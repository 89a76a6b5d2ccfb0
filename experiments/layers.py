"""The layers of each model in order, for the removal of dead units."""

import math
from collections.abc import Sequence

import flax.linen as nn

from jaxcomp.prune.dead_units import Activation, Conv, Dense, Flatten, Layer, MaxPool

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
}


def input_units(layers: Sequence[Layer], shape: Sequence[int]) -> int:
    """How many inputs the first layer has: channels of an image [h, w, c], or all of its values."""
    return shape[-1] if isinstance(layers[0], Conv) else math.prod(shape)
