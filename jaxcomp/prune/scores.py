"""Computes the scores by which weights are ranked."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice, check_number
from jaxcomp.axes import Axes, all_but, own_axes
from jaxcomp.choices import LAYOUTS, Layout
from jaxcomp.numerics import accumulation_dtype, safe_quotient


@dataclass(frozen=True)
class StructuredMagnitude:
    """Scores weights whose axes it knows; `structured_magnitude` makes it."""

    strength: float
    axes: Axes | None = None
    layout: Layout | None = None

    def __call__(self, w: jax.Array) -> jax.Array:
        """Return the scores of weights, of the same shape."""
        magnitude = jnp.abs(w.astype(accumulation_dtype(w)))
        if not self.strength or w.ndim < 2:
            return magnitude
        own = own_axes("the weights", w.ndim, self.axes, self.layout)
        on = (magnitude > 0).astype(magnitude.dtype)
        rows = on.mean(axis=own.outputs, keepdims=True)
        columns = on.mean(axis=all_but((*own.stack, *own.outputs), w.ndim), keepdims=True)
        density = on.mean(axis=all_but(own.stack, w.ndim), keepdims=True)
        chance = safe_quotient(rows, jnp.broadcast_to(density, rows.shape)) * columns
        return magnitude * jnp.minimum(chance, 1) ** self.strength


def structured_magnitude(
    strength: float, *, axes: Axes | None = None, layout: Layout | None = None
) -> Callable[[jax.Array], jax.Array]:
    r"""Return a score: the magnitude, times the chance of the position to the power of `strength`.

    The score of the weight from input `i` to output `j` is :math:`|w_{ij}| \, p_{ij}^s` with
    :math:`p_{ij} = \min(1, r_i c_j / d)`. Here `r` is the share of non-zeros in its row, `c` in its
    column, and `d` in the whole tensor; if rows and columns are independent, `p` is the chance that
    the position is not zero. A position costs about :math:`-\log_2 p_{ij}` bits in a file. So
    weights of sparse rows and columns have to be larger to stay, and rows and columns die out. A
    row holds the weights out of one input, at one place of the window; stacked layers are separate
    tensors.

    Args:
      strength: :math:`s \ge 0`; 0 is the magnitude alone.
      axes: the axes of the weights. `jaxcomp.prune_gradually` fills them in for each array, from
        its own `network` or `layout`.
      layout: instead of `axes`, the framework that the weights come from (see `jaxcomp.axes`). The
        default is `"flax"`, [window..., inputs, outputs].

    Returns:
      A function from weights, in which pruned ones are exact zeros, to scores of the same shape.

    Raises:
      ValueError: if `strength` is negative or not finite, or `layout` is unknown; on use, if the
        axes do not fit.

    Example:
      >>> import jax
      >>> import jax.numpy as jnp
      >>> w = jnp.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])  # the second input has few weights
      >>> jax.jit(structured_magnitude(1.0))(w).round(2).tolist()
      [[1.0, 0.75, 0.75], [0.5, 0.0, 0.0]]
    """
    check_number("strength", strength, "finite and not negative", lambda s: s >= 0)
    if layout is not None:
        check_choice("layout", layout, LAYOUTS)
    return StructuredMagnitude(strength, axes, layout)
