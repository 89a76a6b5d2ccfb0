"""Norms of groups of weights, so that a penalty drives whole groups to zero."""

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice
from jaxcomp.numerics import accumulation_dtype, check_array, check_whole, safe_quotient, safe_sqrt

# The axes of a kernel [..., inputs, outputs] over which the norm of a group is taken.
_SUMMED = {
    "output": lambda ndim: tuple(range(ndim - 1)),
    "input": lambda ndim: (*range(ndim - 2), ndim - 1),
    "filter": lambda ndim: tuple(range(ndim - 2)),
}
GROUPS = tuple(_SUMMED)


def group_norms(kernel: jax.Array, groups: str) -> jax.Array:
    r"""The norm :math:`\|w_g\|_2` of each group of weights of one kernel.

    A penalty of these norms, such as their l1 norm (group lasso: Yuan and Lin, *Journal of the
    Royal Statistical Society B* 68, 2006) or their ratio, is sparse in groups. The derivative is 0
    at groups that are exactly zero.

    Args:
      kernel: weights [..., inputs, outputs], of at least two axes: dense, or convolutional with the
        axes of Flax.
      groups: `"output"` for all weights into one output unit or channel; `"input"` for all that one
        input feeds; `"filter"` for the spatial filter between one input and one output channel,
        which in a dense layer is a single weight.

    Returns:
      float32 or wider, of shape [outputs], [inputs] or [inputs, outputs].

    Raises:
      ValueError: if `groups` is unknown, or the kernel has less than two axes.
    """
    check_array("kernel", kernel)
    axes = summed_axes(kernel, groups)
    check_whole([kernel], "norms of groups are taken")
    wide = kernel.astype(accumulation_dtype(kernel))
    # The norm is of degree one, so that the scale needs no derivative (see `numerics`).
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(wide), initial=0))
    scaled = safe_quotient(wide, jnp.broadcast_to(scale, wide.shape))
    return scale * safe_sqrt(jnp.sum(jnp.square(scaled), axis=axes))


def summed_axes(kernel: jax.Array, groups: str) -> tuple[int, ...]:
    """The axes of a kernel [..., inputs, outputs] over which each group of `groups` extends.

    Raises:
      ValueError: if `groups` is unknown, or the kernel has less than two axes.
    """
    check_groups(groups)
    if kernel.ndim < 2:
        raise ValueError(
            f"groups are those of a kernel [..., inputs, outputs], got shape {kernel.shape}: "
            "leave it out with a mask"
        )
    return _SUMMED[groups](kernel.ndim)


def check_groups(groups: str) -> None:
    """Raise a ValueError that names the choices unless `groups` is one of `GROUPS`."""
    check_choice("groups", groups, GROUPS)
