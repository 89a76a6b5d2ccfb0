"""Holds residual networks for small images and for ImageNet.

Source: He, Zhang, Ren, Sun, *Deep residual learning for image recognition*, CVPR 2016, arXiv
1512.03385: section 4.2 for CIFAR, table 1 for ImageNet.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcomp.models.inputs import Images
from jaxcomp.models.layers import conv_and_norm


class BasicBlock(nn.Module):
    """Has two 3 x 3 convolutions beside a shortcut without parameters (option A of the paper)."""

    channels: int
    stride: int
    dtype: Any
    train: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [n, height, width, c] to [n, height / stride, width / stride, channels]."""
        conv, norm = conv_and_norm(self.dtype, self.train)
        y = nn.relu(norm()(conv(self.channels, (3, 3), self.stride, padding=1)(x)))
        y = norm()(conv(self.channels, (3, 3), padding=1)(y))
        more = self.channels - x.shape[-1]
        shortcut = x[:, :: self.stride, :: self.stride]
        shortcut = jnp.pad(shortcut, ((0, 0), (0, 0), (0, 0), (more // 2, more - more // 2)))
        return nn.relu(y + shortcut.astype(y.dtype))


class BottleneckBlock(nn.Module):
    """Has a 3 x 3 convolution between two of 1 x 1, the last with four times as many channels.

    The 3 x 3 convolution has the stride ("v1.5"), not the first one as in the paper. That is more
    accurate, and has been the meaning of ResNet-50 since Goyal et al., arXiv 1706.02677.
    """

    channels: int
    stride: int
    dtype: Any
    train: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map [n, height, width, c] to [n, height / stride, width / stride, 4 * channels]."""
        conv, norm = conv_and_norm(self.dtype, self.train)
        y = nn.relu(norm()(conv(self.channels, (1, 1))(x)))
        y = nn.relu(norm()(conv(self.channels, (3, 3), self.stride, padding=1)(y)))
        # The block starts as its shortcut (Goyal et al., section 5.1).
        y = norm(scale_init=nn.initializers.zeros)(conv(4 * self.channels, (1, 1))(y))
        if x.shape != y.shape:
            x = conv(4 * self.channels, (1, 1), self.stride, name="shortcut_conv")(x)
            x = norm(name="shortcut_norm")(x)
        return nn.relu(y + x.astype(y.dtype))


class ResNetCIFAR(nn.Module):
    """Has three stages of 16, 32 and 64 channels for images of 32 x 32.

    It has 268,336 weights at depth 20 and 461,872 at depth 32, for ten classes.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxcomp.models import ResNetCIFAR
      >>> images = jnp.zeros((1, 32, 32, 3))
      >>> params = jax.eval_shape(ResNetCIFAR().init, jax.random.key(0), images)["params"]
      >>> sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim > 1)
      268336
    """

    depth: int = 20  # number of layers with weights: 6 * (blocks of a stage) + 2
    classes: int = 10
    dtype: Any = None  # type of the computation; parameters stay in float32

    takes = Images()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """Return logits [n, classes], float32, of images [n, height, width, channels].

        With `train`, the statistics of the batch normalize: see `conv_and_norm`.

        Raises:
          ValueError: if the depth is not 6 n + 2 for a whole n of at least 1.
        """
        blocks, rest = divmod(self.depth - 2, 6)
        if rest or blocks < 1:
            raise ValueError(f"depth must be 6 n + 2, such as 20, 32, 44 or 56: got {self.depth}")
        conv, norm = conv_and_norm(self.dtype, train)
        x = nn.relu(norm()(conv(16, (3, 3), padding=1)(images)))
        for stage, channels in enumerate((16, 32, 64)):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = BasicBlock(channels, stride, self.dtype, train)(x)
        return _classified(x, self.classes, self.dtype)


class ResNet50(nn.Module):
    """Has four stages of bottleneck blocks for images of 224 x 224: 25.5 million weights.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> from jaxcomp.models import ResNet50
      >>> images = jnp.zeros((1, 224, 224, 3))
      >>> params = jax.eval_shape(ResNet50().init, jax.random.key(0), images)["params"]
      >>> sum(leaf.size for leaf in jax.tree.leaves(params) if leaf.ndim > 1)
      25502912
    """

    classes: int = 1000
    dtype: Any = None  # type of the computation; parameters stay in float32

    takes = Images()

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """Return logits [n, classes], float32, of images [n, height, width, channels].

        With `train`, the statistics of the batch normalize: see `conv_and_norm`.
        """
        conv, norm = conv_and_norm(self.dtype, train)
        x = nn.relu(norm()(conv(64, (7, 7), 2, padding=3)(images)))
        x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for stage, (channels, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = BottleneckBlock(channels, stride, self.dtype, train)(x)
        return _classified(x, self.classes, self.dtype)


def _classified(x: jax.Array, classes: int, dtype: Any) -> jax.Array:
    # The mean is over up to 3136 places, so it is computed in float32.
    x = x.mean(axis=(1, 2), dtype=jnp.float32)
    return nn.Dense(classes, dtype=dtype)(x).astype(jnp.float32)
