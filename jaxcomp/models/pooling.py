"""Holds a pooling that is fast on CPUs."""

import jax


def max_pool_2x2(x: jax.Array) -> jax.Array:
    """Return the largest of each 2 x 2 entries of images [n, height, width, channels] of even size.

    On CPUs its gradient takes a small part of the time that the gradient of `nn.max_pool` takes.
    """
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
