"""Holds the 16-layer network of Simonyan and Zisserman, as the compression literature has it.

Source: Simonyan and Zisserman, *Very deep convolutional networks for large-scale image
recognition*, ICLR 2015, arXiv 1409.1556, configuration D. This variant, for images of 32 x 32, has
batch normalization, and one hidden dense layer of 512 units instead of two of 4096.
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

POOLED = (1, 3, 6, 9, 12)  # these convolutions have max-pooling after them


class VGG16(nn.Module):
    """Has thirteen convolutions and two dense layers: 14,977,728 weights for ten classes.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxcomp.models import VGG16
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params = jax.eval_shape(VGG16().init, jax.random.key(0), images)["params"]
      >>> sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim > 1)
      14977728
    """

    classes: int = 10
    # These are filters of the convolutions, and hidden units.
    widths: Sequence[int] = (64, 64, 128, 128, *3 * (256,), *6 * (512,), 512)
    hidden_dropout: float = 0.0  # share of hidden units that are dropped, if asked for
    dtype: Any = None  # type of the computation; parameters stay in float32

    takes = Images(least=32, multiple=32)

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool = False, dropout: bool = False
    ) -> jax.Array:
        """Return logits [n, classes], float32, of images [n, height, width, channels].

        Height and width are multiples of 32, the same as those that made the parameters. With
        `train`, the statistics of the batch normalize: see `conv_and_norm`.
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
