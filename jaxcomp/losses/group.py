"""Norms of groups of weights, so that a penalty drives whole groups to zero."""

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice
from jaxcomp.axes import Axes, all_but, own_axes
from jaxcomp.choices import GROUPS, Groups, Layout
from jaxcomp.numerics import accumulation_dtype, check_array, check_whole, safe_quotient, safe_sqrt

# The axes along which the groups of each separate tensor lie.
_ALONG = {
    "unit": lambda axes: axes.outputs,
    "input": lambda axes: axes.inputs,
    "filter": lambda axes: axes.inputs + axes.outputs,
}


def group_norms(
    kernel: jax.Array, groups: Groups, *, axes: Axes | None = None, layout: Layout | None = None
) -> jax.Array:
    r"""Return the norm :math:`\|w_g\|_2` of each group of weights of one kernel.

    A penalty of these norms, such as their l1 norm (group lasso: Yuan and Lin, *Journal of the
    Royal Statistical Society B* 68, 2006) or their ratio, is sparse in groups. The derivative is 0
    at groups that are exactly zero.

    Args:
      kernel: weights of at least two axes.
      groups: `"unit"` for all weights into one output unit or channel; `"input"` for all that one
        input feeds; `"filter"` for the spatial filter between one input and one output channel,
        which in a dense layer is a single weight.
      axes: what the axes of the kernel are.
      layout: or the framework that it is from (see `jaxcomp.axes`); `"flax"`, [window..., inputs,
        outputs], where neither is given.

    Returns:
      float32 or wider, of shape [*stack, *inputs, *outputs], without the axes of what the groups
      extend over: [outputs], [inputs] or [inputs, outputs] in either layout.

    Raises:
      ValueError: if `groups` or `layout` is unknown, the axes do not fit, or the kernel has less
        than two.
    """
    check_array("kernel", kernel)
    check_groups(groups)
    own = kernel_axes(kernel.shape, axes, layout)
    check_whole([kernel], "norms of groups are taken")
    wide = kernel.astype(accumulation_dtype(kernel))
    # The norm is of degree one, so that the scale needs no derivative (see `norms`).
    each = all_but(own.stack, kernel.ndim)
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(wide), axis=each, initial=0, keepdims=True))
    scaled = safe_quotient(wide, jnp.broadcast_to(scale, wide.shape))
    summed = summed_axes(groups, own, kernel.ndim)
    norms = scale * safe_sqrt(jnp.sum(jnp.square(scaled), axis=summed, keepdims=True))
    kept = (*own.stack, *_ALONG[groups](own))
    in_order = sorted(kept)
    return jnp.transpose(norms.squeeze(summed), [in_order.index(axis) for axis in kept])


def kernel_axes(shape: tuple[int, ...], axes: Axes | None, layout: Layout | None) -> Axes:
    """Return the axes of one kernel, as `jaxcomp.axes.own_axes`.

    Raises:
      ValueError: also if the layout leaves it no inputs.
    """
    if axes is None and len(shape) < 2:
        raise ValueError(
            f"groups are those of a kernel with inputs and outputs, got shape {shape}: leave it "
            "out with a mask"
        )
    return own_axes("the kernel", len(shape), axes, layout)


def summed_axes(groups: Groups, axes: Axes, ndim: int) -> tuple[int, ...]:
    """Return the axes over which each group of `groups` extends."""
    return all_but((*axes.stack, *_ALONG[groups](axes)), ndim)


def check_groups(groups: Groups) -> None:
    """Raise a ValueError that names the choices unless `groups` is one of `GROUPS`."""
    check_choice("groups", groups, GROUPS)
