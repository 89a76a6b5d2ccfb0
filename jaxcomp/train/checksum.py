"""Computes a checksum of arrays on the devices that hold them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any


def checksum(tree: PyTree) -> int:
    """Return a checksum of the bits of all arrays, from 0 to 2^32 - 1.

    The checksum is the sum of the words of each array, each mixed with its place, modulo 2^32. One
    word that differs always changes it; other damage is missed about once in 2^32 times. Sharded
    arrays stay on their devices.
    """
    return int(_checksum(jax.tree.leaves(tree)))


@jax.jit
def _checksum(leaves: list[jax.Array]) -> jax.Array:
    total = jnp.zeros((), jnp.uint32)
    for leaf in map(_words, leaves):
        place = jnp.zeros(leaf.shape, jnp.uint32)
        for axis, size in enumerate(leaf.shape):
            own = jax.lax.broadcasted_iota(jnp.uint32, leaf.shape, axis)
            place = place * np.uint32(size % 2**32) + own
        mixed = _mixed(leaf ^ (place * np.uint32(0x9E3779B9)))
        total = total * np.uint32(1_000_003) + jnp.sum(mixed, dtype=jnp.uint32)
    return total


def _mixed(words: jax.Array) -> jax.Array:
    """Spread each bit over all bits, one to one (the end of Appleby's MurmurHash3)."""
    words = (words ^ (words >> 16)) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * np.uint32(0xC2B2AE35)
    return words ^ (words >> 16)


def _words(array: jax.Array) -> jax.Array:
    """Return the bits of each entry as uint32; larger types take several, on a last axis."""
    array = jnp.asarray(array)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    if array.dtype == bool:
        return array.astype(jnp.uint32)
    if jnp.iscomplexobj(array):
        array = jnp.stack([array.real, array.imag], axis=-1)
    width = min(array.dtype.itemsize, 4)
    bits = jax.lax.bitcast_convert_type(array, jnp.dtype(f"uint{8 * width}"))
    return bits.astype(jnp.uint32)
