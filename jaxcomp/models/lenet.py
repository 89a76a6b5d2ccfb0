"""The networks of LeCun et al., *Proc. IEEE* 86 (1998), as the compression literature has them."""

import flax.linen as nn
import jax


class LeNet300100(nn.Module):
    """Two hidden layers of 300 and 100 rectified units: 266,200 weights on 28 x 28 images."""

    classes: int = 10
    input_dropout: float = 0.0  # share of pixels that are dropped, where dropout is asked for
    hidden_dropout: float = 0.0  # the same of hidden units

    @nn.compact
    def __call__(self, images: jax.Array, *, dropout: bool = False) -> jax.Array:
        """Logits [n, classes] of images [n, height, width, channels]."""
        x = images.reshape(images.shape[0], -1)
        x = nn.Dropout(self.input_dropout, deterministic=not dropout)(x)
        for width in (300, 100):
            x = nn.relu(nn.Dense(width)(x))
            x = nn.Dropout(self.hidden_dropout, deterministic=not dropout)(x)
        return nn.Dense(self.classes)(x)


class LeNet5Caffe(nn.Module):
    """Two convolutions and two dense layers: 430,500 weights on 28 x 28 images.

    The variant of the Caffe examples: filters 5 x 5 without padding, max-pooling by 2, and no
    activation after the convolutions.
    """

    classes: int = 10
    input_dropout: float = 0.0  # share of pixels that are dropped, where dropout is asked for
    hidden_dropout: float = 0.0  # the same of the 500 hidden units

    @nn.compact
    def __call__(self, images: jax.Array, *, dropout: bool = False) -> jax.Array:
        """Logits [n, classes] of images [n, height, width, channels]."""
        x = nn.Dropout(self.input_dropout, deterministic=not dropout)(images)
        for channels in (20, 50):
            x = nn.Conv(channels, (5, 5), padding="VALID")(x)
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(500)(x))
        x = nn.Dropout(self.hidden_dropout, deterministic=not dropout)(x)
        return nn.Dense(self.classes)(x)
