"""The 16-layer network of Simonyan and Zisserman, as the compression literature has it.

Source: Simonyan and Zisserman, *Very deep convolutional networks for large-scale image
recognition*, ICLR 2015, arXiv 1409.1556, configuration D; with batch normalization, and with one
hidden dense layer of 512 instead of two of 4096, for images of 32 x 32.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcomp.models.convolution import convolution
from jaxcomp.models.inputs import Images
from jaxcomp.models.layers import conv_and_norm
from jaxcomp.models.pooling import max_pool_2x2

POOLED = (1, 3, 6, 9, 12)  # convolutions with max-pooling after them


class VGG16(nn.Module):
    """Thirteen convolutions and two dense layers: 14,977,728 weights for ten classes."""

    classes: int = 10
    # Filters of the convolutions, and hidden units.
    widths: Sequence[int] = (64, 64, 128, 128, *3 * (256,), *6 * (512,), 512)
    hidden_dropout: float = 0.0  # share of hidden units dropped, where dropout is asked for
    dtype: Any = None  # that computes; parameters stay in float32

    takes = Images(least=32, multiple=32)

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool = False, dropout: bool = False
    ) -> jax.Array:
        """Logits [n, classes], float32, of images [n, height, width, channels].

        Height and width are multiples of 32, the same as those that made the parameters.
        With `train`, statistics are those of the batch: see `conv_and_norm`.
        """
        *filters, hidden = self.widths
        conv, norm = conv_and_norm(self.dtype, train)
        x = images
        for layer, channels in enumerate(filters):
            x = conv(channels, (3, 3), conv_general_dilated=convolution)(x)
            x = nn.relu(norm()(x))
            x = max_pool_2x2(x) if layer in POOLED else x
        x = nn.relu(nn.Dense(hidden, dtype=self.dtype)(x.reshape(x.shape[0], -1)))
        x = nn.Dropout(self.hidden_dropout, deterministic=not dropout)(x)
        return nn.Dense(self.classes, dtype=self.dtype)(x).astype(jnp.float32)
