"""What weights are ranked by."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.numerics import accumulation_dtype, safe_quotient


def structured_magnitude(strength: float) -> Callable[[jax.Array], jax.Array]:
    r"""Magnitude, times the chance of the position to the power of `strength`.

    The score of the weight from input `i` to output `j` is :math:`|w_{ij}| \, p_{ij}^s` with
    :math:`p_{ij} = r_i c_j / d`: the share `r` of non-zeros of its row, `c` of its column, and `d`
    of the whole tensor, which is the chance that it is not zero if rows and columns are
    independent. A position costs about :math:`-\log_2 p_{ij}` bits in a file, so that weights of
    sparse rows and columns have to be larger to stay, and rows and columns die out.

    Args:
      strength: :math:`s \ge 0`; 0 is the magnitude alone.

    Returns:
      A function from weights [..., inputs, outputs], in which pruned ones are exact zeros, to
      scores of the same shape.

    Raises:
      ValueError: if `strength` is negative or not finite.
    """
    check_number("strength", strength, "finite and not negative", lambda s: s >= 0)

    def score(w: jax.Array) -> jax.Array:
        magnitude = jnp.abs(w.astype(accumulation_dtype(w)))
        if not strength or w.ndim < 2:
            return magnitude
        on = (magnitude > 0).astype(magnitude.dtype)
        lead = tuple(range(w.ndim - 1))
        rows, columns = on.mean(axis=-1, keepdims=True), on.mean(axis=lead, keepdims=True)
        density = jnp.broadcast_to(on.mean(), rows.shape)
        chance = jnp.minimum(safe_quotient(rows, density) * columns, 1)
        return magnitude * chance**strength

    return score
