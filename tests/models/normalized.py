"""A network with batch norm that compiles quickly."""

import flax.linen as nn
import jax.numpy as jnp


class Normalized(nn.Module):
    """A convolution with batch norm, and a dense layer."""

    classes: int = 10
    dtype: type | None = None

    @nn.compact
    def __call__(self, images, *, train=False):
        x = nn.Conv(8, (3, 3), strides=2, use_bias=False, dtype=self.dtype)(images)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(x)
        return nn.Dense(self.classes, dtype=self.dtype)(nn.relu(x).reshape(len(x), -1)).astype(
            jnp.float32
        )
