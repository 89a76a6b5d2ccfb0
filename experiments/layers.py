"""The layers of each model in order, for the removal of dead units."""

import flax.linen as nn

from jaxcomp.prune.dead_units import Activation, Dense, Layer

LAYERS: dict[str, tuple[Layer, ...]] = {
    "lenet_300_100": (
        Dense("Dense_0"),
        Activation(nn.relu),
        Dense("Dense_1"),
        Activation(nn.relu),
        Dense("Dense_2"),
    )
}
