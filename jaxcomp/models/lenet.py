"""Holds LeCun's networks, *Proc. IEEE* 86 (1998), as the compression literature has them."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcomp.models.convolution import convolution
from jaxcomp.models.inputs import Images
from jaxcomp.models.pooling import max_pool_2x2


class LeNet300100(nn.Module):
    """Has two hidden layers of 300 and 100 rectified units: 266,200 weights on 28 x 28 images.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxcomp.models import LeNet300100
      >>> images = jnp.zeros((1, 28, 28, 1))
      >>> params = jax.eval_shape(LeNet300100().init, jax.random.key(0), images)["params"]
      >>> sum(layer["kernel"].size for layer in params.values())
      266200
    """

    classes: int = 10
    widths: Sequence[int] = (300, 100)  # units of the hidden layers
    input_dropout: float = 0.0  # share of pixels that are dropped, if asked for
    hidden_dropout: float = 0.0  # share of hidden units that are dropped
    dtype: Any = None  # type of the computation; parameters stay in float32

    takes = Images()

    @nn.compact
    def __call__(self, images: jax.Array, *, dropout: bool = False) -> jax.Array:
        """Return logits [n, classes], float32, of images [n, height, width, channels]."""
        x = images.reshape(images.shape[0], -1)
        x = nn.Dropout(self.input_dropout, deterministic=not dropout)(x)
        for width in self.widths:
            x = nn.relu(nn.Dense(width, dtype=self.dtype)(x))
            x = nn.Dropout(self.hidden_dropout, deterministic=not dropout)(x)
        return nn.Dense(self.classes, dtype=self.dtype)(x).astype(jnp.float32)


class LeNet5Caffe(nn.Module):
    """Has two convolutions and two dense layers: 430,500 weights on 28 x 28 images.

    This is the variant of the Caffe examples: filters 5 x 5 without padding, max-pooling by 2, and
    no activation after the convolutions.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxcomp.models import LeNet5Caffe
      >>> images = jnp.zeros((1, 28, 28, 1))
      >>> params = jax.eval_shape(LeNet5Caffe().init, jax.random.key(0), images)["params"]
      >>> sum(layer["kernel"].size for layer in params.values())
      430500
    """

    classes: int = 10
    widths: Sequence[int] = (20, 50, 500)  # filters of the convolutions, and hidden units
    input_dropout: float = 0.0  # share of pixels that are dropped, if asked for
    hidden_dropout: float = 0.0  # share of hidden units that are dropped
    dtype: Any = None  # type of the computation; parameters stay in float32

    takes = Images(least=16)

    @nn.compact
    def __call__(self, images: jax.Array, *, dropout: bool = False) -> jax.Array:
        """Return logits [n, classes], float32, of images [n, height, width, channels]."""
        *filters, hidden = self.widths
        x = nn.Dropout(self.input_dropout, deterministic=not dropout)(images)
        for channels in filters:
            x = nn.Conv(
                channels,
                (5, 5),
                padding="VALID",
                dtype=self.dtype,
                conv_general_dilated=convolution,
            )(x)
            x = max_pool_2x2(x)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(hidden, dtype=self.dtype)(x))
        x = nn.Dropout(self.hidden_dropout, deterministic=not dropout)(x)
        return nn.Dense(self.classes, dtype=self.dtype)(x).astype(jnp.float32)
