"""Magnitudes, roots and quotients whose derivatives at zero are zero, and what arrays have to be.

JAX defines the derivative of `abs` at 0 as 1, so a penalty written with `jnp.abs` pushes every
exactly pruned weight away from zero.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp


@jax.custom_jvp
def magnitude(x: jax.Array) -> jax.Array:
    """`|x|` elementwise, with derivative 0 (not 1) at exactly 0."""
    return jnp.abs(x)


@magnitude.defjvp
def _magnitude_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (change,) = primals, tangents
    return jnp.abs(x), jnp.sign(x) * change


def safe_quotient(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """`numerator / denominator`, and 0 with derivative 0 where the denominator is 0."""
    defined = denominator != 0
    # The inner `where` keeps the branch that is not taken finite: 0 * inf would be NaN in the
    # derivative.
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), 0)


def safe_sqrt(x: jax.Array) -> jax.Array:
    """Square root of `x >= 0` with derivative 0 (not infinity) at exactly 0."""
    nonzero = x != 0
    return jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, x, 1)), 0)


def gathered(x: jax.Array) -> jax.Array:
    """The array as a whole on each device, for what has no meaning on its parts.

    That is needed where shardings are part of types; elsewhere compilers see to it.
    """
    check_whole([x], "this is computed")
    if any(axis is not None for axis in jax.typeof(x).sharding.spec):
        return jax.sharding.reshard(x, jax.sharding.PartitionSpec())
    return x


def check_array(name: str, value: Any) -> None:
    """Raise a TypeError that names an argument unless it is one real floating-point array."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or not hasattr(value, "shape"):
        raise TypeError(f"{name} must be one array of weights, got a {type(value).__name__}")
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            f"{name} must be an array of a real floating-point type, got one of {dtype} and shape "
            f"{value.shape}: convert it"
        )


def check_whole(arrays: Sequence[jax.Array], use: str) -> None:
    """Raise a ValueError where `jax.shard_map` gives each device its own part of an array.

    A norm or a ranking of the part is not that of the array. Under `jit` arrays are whole.
    """
    for array in arrays:
        axes = jax.typeof(array).manual_axis_type.varying
        if axes:
            raise ValueError(
                f"{use} over whole arrays, but here, inside of jax.shard_map, an array of shape "
                f"{array.shape} is this device's part along {sorted(axes)}: call it outside, under "
                "jax.jit, which computes it over all devices"
            )


def accumulation_dtype(*arrays: jax.Array) -> jnp.dtype:
    """float64 if any of the arrays is, else float32: the type in which they are added up."""
    # Not `jnp.promote_types`: it raises for mixed types where JAX is set to strict promotion.
    wide = any(array.dtype == jnp.float64 for array in arrays)
    return jnp.dtype(jnp.float64 if wide else jnp.float32)
