"""Holds a convolution that is fast on CPUs."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

_TOGETHER = 4  # columns of the result; fewer copy more of the images, more multiply more zeros


def convolution(
    images: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: str, **options: Any
) -> jax.Array:
    """Replace `jax.lax.conv_general_dilated` in `nn.Conv`, for strides of 1.

    On CPUs, products of matrices replace XLA where it is slower:

    * without padding and with few channels, more than twice as slow;
    * with padding and images smaller than the kernel, which XLA computes in plain loops, more than
      twenty times as slow.

    Padded images that are not smaller than the kernel use XLA's convolution. The rows of
    `experiments.benchmarks.convolutions` have the measurements.

    Args:
      images: shape [n, height, width, channels].
      kernel: shape [rows, columns, channels, filters].
      strides: ones, as `nn.Conv` gives them.
      padding: `"VALID"` for none, `"SAME"` for as many places as the images have.
      **options: the other arguments of `nn.Conv`, for XLA's convolution.

    Returns:
      Shape [n, height - rows + 1, width - columns + 1, filters], or [n, height, width, filters].

    Raises:
      ValueError: if other strides or another padding are asked for, or if the images are smaller
        than the kernel and not padded.
    """
    if padding not in ("VALID", "SAME") or any(stride != 1 for stride in strides):
        raise ValueError(
            f"this convolution has strides of 1 and padding 'VALID' or 'SAME', got "
            f"{tuple(strides)} and {padding!r}; leave it out of `nn.Conv`"
        )
    (height, width), (rows, columns) = images.shape[1:3], kernel.shape[:2]
    small = height < rows or width < columns
    if small and padding == "VALID":
        raise ValueError(
            f"images of {height} x {width} are smaller than the kernel, {rows} x {columns}"
        )

    def of_xla(images: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(images, kernel, strides, padding, **options)

    if not small and padding == "SAME":
        return of_xla(images, kernel)
    on_cpu = _product if padding == "VALID" else _sum_of_products
    return jax.lax.platform_dependent(images, kernel, cpu=on_cpu, default=of_xla)


def _product(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Compute some neighboring columns of the result at a time, from all columns that they see."""
    n, height, width, _ = images.shape
    kernel_rows, kernel_columns, _, filters = kernel.shape
    rows, columns = height - kernel_rows + 1, width - kernel_columns + 1
    seen = _TOGETHER + kernel_columns - 1
    firsts = range(0, columns, _TOGETHER)
    missing = firsts[-1] + seen - width
    x = jnp.pad(images, ((0, 0), (0, 0), (0, missing), (0, 0)))
    x = jnp.stack([x[:, :, first : first + seen] for first in firsts], axis=2)
    x = jnp.stack([x[:, i : i + rows] for i in range(kernel_rows)], axis=3)
    # Each copy has the kernel at one of its places among these columns, and zeros beside it.
    sides = [(i, _TOGETHER - 1 - i) for i in range(_TOGETHER)]
    placed = [jnp.pad(kernel, ((0, 0), side, (0, 0), (0, 0))) for side in sides]
    # This is [n, rows, blocks, kernel rows, seen, channels] by [kernel rows, seen, channels, 4,
    # filters].
    y = jnp.tensordot(x, jnp.stack(placed, axis=3), axes=3)
    return y.reshape(n, rows, -1, filters)[:, :, :columns]


def _sum_of_products(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Add up one product for each place of the kernel, with all places of the images under it."""
    (height, width), (rows, columns) = images.shape[1:3], kernel.shape[:2]
    before_and_after = [((size - 1) // 2, size // 2) for size in (rows, columns)]
    x = jnp.pad(images, ((0, 0), *before_and_after, (0, 0)))
    products = [
        jnp.tensordot(x[:, i : i + height, j : j + width], kernel[i, j], axes=1)
        for i in range(rows)
        for j in range(columns)
    ]
    return sum(products[1:], products[0])
