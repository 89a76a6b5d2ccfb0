"""Rounds weights to multiples of one step in each tensor."""

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.numerics import accumulation_dtype, check_array

MAX_BITS = 8  # with more, there are more values than a file stores as levels


def uniform(w: jax.Array, step: float | jax.Array) -> jax.Array:
    """Round to the nearest multiples of `step`, in the type of `w`; exact zeros stay zeros.

    The error of an entry is at most `step / 2`, plus the rounding of the type of `w`. No zero is
    negative: a lossless file would store a negative zero as one more value.

    It is differentiable by the straight-through estimator (Bengio, Léonard, Courville, arXiv
    1308.3432): `w` gets the gradient as if the rounding were the identity, and `step` gets none.

    Args:
      w: floating-point array of any shape.
      step: greater than 0, in the units of `w`: a number, or an array that broadcasts to `w`.

    Raises:
      ValueError: if `step` is a number that is not positive and finite.
      TypeError: if `w` is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> uniform(jnp.array([0.3, -0.6, 0.1]), 0.5).tolist()
      [0.5, -0.5, 0.0]
    """
    if not getattr(step, "shape", ()):
        check_step("step", step)
    check_array("w", w)
    wide = w.astype(accumulation_dtype(w))
    step = jnp.asarray(step, wide.dtype)
    numbers = jnp.round(wide / step)
    rounded = jax.lax.stop_gradient(jnp.where(numbers == 0, 0, numbers * step).astype(w.dtype))
    return rounded + (w - jax.lax.stop_gradient(w))  # exactly 0, with the derivative of w


def step_of_bits(w: jax.Array, bits: int) -> jax.Array:
    r"""Return the step with which `w`, rounded to its multiples, takes at most `2^b - 1` values.

    It is :math:`\max |w_i| / (2^{b-1} - 1)`. The step has the type of `w`, in which a file stores
    it, so all multiples are exact there. It is never less than the smallest normal number of that
    type.

    Args:
      w: floating-point array with a non-zero entry.
      bits: `b`, from 2 (which is ternary) to 8.

    Returns:
      A scalar.

    Raises:
      ValueError: if `bits` is outside that range.
      TypeError: if `w` is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> float(step_of_bits(jnp.array([3.0, -0.6, 1.2]), 3))
      1.0
    """
    check_bits("bits", bits)
    check_array("w", w)
    largest = jnp.max(jnp.abs(w.astype(accumulation_dtype(w))))
    step = jnp.where(largest > 0, largest, 1) / (2 ** (bits - 1) - 1)
    return jnp.maximum(step.astype(w.dtype), jnp.finfo(w.dtype).smallest_normal)


def check_bits(name: str, bits: int) -> None:
    """Raise an error that names the argument unless it is a number of bits, from 2 to 8."""
    wanted = f"from 2 to {MAX_BITS}"
    check_number(name, bits, wanted, lambda b: 2 <= b <= MAX_BITS, integer=True)


def check_step(name: str, step: float | jax.Array) -> None:
    """Raise an error that names the argument unless it is positive and finite."""
    check_number(name, step, "positive and finite", lambda s: s > 0)
