"""Holds magnitudes, roots and quotients with zero derivatives at zero, and checks of arrays.

JAX defines the derivative of `abs` at 0 as 1, so a penalty written with `jnp.abs` pushes every
exactly pruned weight away from zero.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp


@jax.custom_jvp
def magnitude(x: jax.Array) -> jax.Array:
    """Return `|x|` elementwise, with derivative 0 (not 1) at exactly 0.

    Example:
      >>> import jax
      >>> jax.grad(magnitude)(0.0).item(), jax.grad(magnitude)(-2.0).item()
      (0.0, -1.0)
    """
    return jnp.abs(x)


@magnitude.defjvp
def _magnitude_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (change,) = primals, tangents
    return jnp.abs(x), jnp.sign(x) * change


def safe_quotient(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """Return `numerator / denominator`, and 0 with derivative 0 where the denominator is 0.

    Args:
      numerator: floating-point array.
      denominator: array of the same shape and type.

    Example:
      >>> import jax.numpy as jnp
      >>> safe_quotient(jnp.array([6.0, 1.0]), jnp.array([2.0, 0.0])).tolist()
      [3.0, 0.0]
    """
    defined = denominator != 0
    # The inner `where` keeps the branch that is not taken finite. Without it the derivative would
    # contain 0 * inf, which is NaN.
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), 0)


def safe_sqrt(x: jax.Array) -> jax.Array:
    """Return the square root of `x >= 0`, with derivative 0 (not infinity) at exactly 0.

    Example:
      >>> import jax
      >>> jax.grad(safe_sqrt)(0.0).item(), jax.grad(safe_sqrt)(4.0).item()
      (0.0, 0.25)
    """
    nonzero = x != 0
    return jnp.where(nonzero, jnp.sqrt(jnp.where(nonzero, x, 1)), 0)


def gathered(x: jax.Array) -> jax.Array:
    """Return the array as a whole on each device, for operations that make no sense on its parts.

    Only arrays with shardings in their types need it; elsewhere the compiler gathers them.
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

    Args:
      arrays: the arrays to check.
      use: subject and verb of the message, as in "weights are ranked".
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
    """Return the type in which arrays are added up: float64 if one of them is, else float32.

    Example:
      >>> import jax.numpy as jnp
      >>> accumulation_dtype(jnp.ones(2, jnp.bfloat16), jnp.ones(2, jnp.float16))
      dtype('float32')
    """
    # `jnp.promote_types` raises for mixed types where JAX is set to strict promotion.
    wide = any(array.dtype == jnp.float64 for array in arrays)
    return jnp.dtype(jnp.float64 if wide else jnp.float32)
