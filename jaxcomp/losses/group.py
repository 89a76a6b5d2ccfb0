"""Computes norms of groups of weights, so that a penalty drives whole groups to zero."""

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice
from jaxcomp.axes import Axes, all_but, own_axes
from jaxcomp.choices import GROUPS, Groups, Layout
from jaxcomp.numerics import accumulation_dtype, check_array, check_whole, safe_quotient, safe_sqrt

# The groups of each separate tensor lie along these axes.
_ALONG = {
    "unit": lambda axes: axes.outputs,
    "input": lambda axes: axes.inputs,
    "filter": lambda axes: axes.inputs + axes.outputs,
}


def group_norms(
    kernel: jax.Array, groups: Groups, *, axes: Axes | None = None, layout: Layout | None = None
) -> jax.Array:
    r"""Return the norm :math:`\|w_g\|_2` of each group of weights of one kernel.

    A penalty of these norms makes whole groups zero: their l1 norm is the group lasso (Yuan and
    Lin, *Journal of the Royal Statistical Society B* 68, 2006), and their ratio works too. The
    derivative is 0 at groups that are exactly zero.

    Args:
      kernel: weights with at least two axes.
      groups: `"unit"` for all weights into one output unit or channel; `"input"` for all weights
        out of one input; `"filter"` for the spatial filter between one input and one output
        channel, which in a dense layer is a single weight.
      axes: the axes of the kernel.
      layout: instead of `axes`, the framework that the kernel comes from (see `jaxcomp.axes`). The
        default is `"flax"`, [window..., inputs, outputs].

    Returns:
      Norms in float32 or wider, of shape `[*stack, *outputs]` for `"unit"`, `[*stack, *inputs]`
      for `"input"` and `[*stack, *inputs, *outputs]` for `"filter"`, in either layout.

    Raises:
      ValueError: if `groups` or `layout` is unknown, the axes do not fit, or the kernel has fewer
        than two.

    Example:
      >>> import jax.numpy as jnp
      >>> kernel = jnp.array([[3.0, 0.0], [4.0, 1.0]])  # [inputs, outputs]
      >>> group_norms(kernel, "unit").tolist()
      [5.0, 1.0]
    """
    check_array("kernel", kernel)
    check_groups(groups)
    own = kernel_axes(kernel.shape, axes, layout)
    check_whole([kernel], "norms of groups are taken")
    wide = kernel.astype(accumulation_dtype(kernel))
    # The norm is of degree one, so the scale needs no derivative (see `jaxcomp.norms.ScaledNorms`).
    each = all_but(own.stack, kernel.ndim)
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(wide), axis=each, initial=0, keepdims=True))
    scaled = safe_quotient(wide, jnp.broadcast_to(scale, wide.shape))
    summed = summed_axes(groups, own, kernel.ndim)
    norms = scale * safe_sqrt(jnp.sum(jnp.square(scaled), axis=summed, keepdims=True))
    kept = (*own.stack, *_ALONG[groups](own))
    in_order = sorted(kept)
    return jnp.transpose(norms.squeeze(summed), [in_order.index(axis) for axis in kept])


def kernel_axes(shape: tuple[int, ...], axes: Axes | None, layout: Layout | None) -> Axes:
    """Return the axes of one kernel, as `jaxcomp.axes.own_axes` does.

    Raises:
      ValueError: also if the layout leaves the kernel no inputs.
    """
    if axes is None and len(shape) < 2:
        raise ValueError(
            f"groups are those of a kernel with inputs and outputs, got shape {shape}: leave it "
            "out with a mask"
        )
    return own_axes("the kernel", len(shape), axes, layout)


def summed_axes(groups: Groups, axes: Axes, ndim: int) -> tuple[int, ...]:
    """Return the axes over which each group extends."""
    return all_but((*axes.stack, *_ALONG[groups](axes)), ndim)


def check_groups(groups: Groups) -> None:
    """Raise a ValueError that names the choices unless `groups` is one of `GROUPS`."""
    check_choice("groups", groups, GROUPS)
