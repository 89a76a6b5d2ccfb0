"""The bytes that the same weights take in other forms, to hold a `.jxc` file against."""

from typing import Any

import jax
import numpy as np
import zstandard

from jaxcomp.codec.levels import FewValued
from jaxcomp.trees import weight_mask

ZSTD_LEVEL = 19


def as_int8(array: np.ndarray) -> FewValued:
    """Return the nearest multiples of the largest magnitude / 127."""
    step = np.float32(np.abs(array).max() / 127 or 1)
    return FewValued(np.rint(array / step).astype(np.int8), np.asarray(step))


def reference_bytes(params: Any) -> dict[str, int]:
    """Sizes of a tree of float32 arrays in bytes, names and shapes not counted.

    * `float32`: 4 bytes for each parameter.
    * `float32_zstd19`: the same bytes through zstd at level 19.
    * `int8_zstd19`: each weight tensor as int8 multiples of its largest magnitude / 127, with that
      scale in float32, and biases in float32, all through zstd at level 19. For ternary weights
      this is lossless.
    """
    float32, int8 = [], []
    for leaf, is_weight in zip(
        jax.tree.leaves(params), jax.tree.leaves(weight_mask(params)), strict=True
    ):
        array = np.asarray(leaf, np.float32)
        float32.append(array.tobytes())
        if is_weight:
            int8.extend(part.tobytes() for part in as_int8(array))
        else:
            int8.append(array.tobytes())
    return {
        "float32": len(b"".join(float32)),
        "float32_zstd19": zstd_bytes(float32),
        "int8_zstd19": zstd_bytes(int8),
    }


def zstd_bytes(parts: list[bytes]) -> int:
    """Return the bytes of these one after another, through zstd at level 19."""
    return len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(b"".join(parts)))
