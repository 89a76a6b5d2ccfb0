"""Changes training images at random so that their labels stay true."""

import jax
import jax.numpy as jnp


def shift_and_flip(
    key: jax.Array, images: jax.Array, *, most: int = 4, flip: bool = True
) -> jax.Array:
    """Move each image by up to `most` pixels along both axes and, half the time, mirror it.

    An image is padded with `most` zeros on all sides, cropped to its size at a random place, and
    flipped left to right with probability 1/2, as is usual for CIFAR: He, Zhang, Ren, Sun, *Deep
    residual learning for image recognition*, CVPR 2016, arXiv 1512.03385, section 4.2.

    Args:
      key: random key; use another one at each step.
      images: shape [n, height, width, channels], of any type.
      most: pixels, at least 0; 0 only flips.
      flip: whether images are mirrored; use False for text and digits, which have a direction.

    Returns:
      Images of the same shape and type. Pixels are moved, never mixed.

    Raises:
      ValueError: if `images` does not have four axes, or `most` is negative.

    Example:
      >>> import jax, numpy as np
      >>> from jaxcomp.data import shift_and_flip
      >>> images = np.ones((2, 8, 8, 1), np.float32)
      >>> moved = np.asarray(jax.jit(shift_and_flip)(jax.random.key(0), images))
      >>> moved.shape, bool((moved.sum(axis=(1, 2, 3)) >= 16).all())  # 4 x 4 pixels stay at least
      ((2, 8, 8, 1), True)
    """
    if images.ndim != 4:
        raise ValueError(
            f"images must be of shape [n, height, width, channels], got {images.shape}"
        )
    if most < 0:
        raise ValueError(f"most must be at least 0, got {most}")
    n, height, width, _ = images.shape
    shift_key, flip_key = jax.random.split(key)
    corners = jax.random.randint(shift_key, (n, 2), 0, 2 * most + 1, jnp.int32)
    mirrored = flip & jax.random.bernoulli(flip_key, shape=(n, 1))
    # One gather does both: in a loop on CPUs, slices by `vmap` take several times as long.
    own = jnp.arange(n, dtype=jnp.int32)[:, None, None]
    rows = corners[:, :1] + jnp.arange(height, dtype=jnp.int32)[None]  # [n, height]
    columns = jnp.arange(width, dtype=jnp.int32)[None]
    columns = corners[:, 1:] + jnp.where(mirrored, columns[:, ::-1], columns)  # [n, width]
    padded = jnp.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))
    return padded[own, rows[:, :, None], columns[:, None, :]]
