"""LeNet-300-100: the fully connected network of LeCun et al., *Proc. IEEE* 86 (1998)."""

import flax.linen as nn
import jax


class LeNet300100(nn.Module):
    """Two hidden layers of 300 and 100 rectified units: 266,200 weights on 28 x 28 images."""

    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits [n, classes] of images [n, height, width, channels]."""
        x = images.reshape(images.shape[0], -1)
        x = nn.relu(nn.Dense(300)(x))
        x = nn.relu(nn.Dense(100)(x))
        return nn.Dense(self.classes)(x)
