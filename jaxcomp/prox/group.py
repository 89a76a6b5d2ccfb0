"""Implements the proximal operator of the group lasso."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice
from jaxcomp.axes import Axes
from jaxcomp.choices import LAYOUTS, Groups, Layout
from jaxcomp.compiled import compiled_method
from jaxcomp.losses.group import check_groups, group_norms, kernel_axes, summed_axes
from jaxcomp.numerics import check_whole, safe_quotient
from jaxcomp.prox.bisection import bisect
from jaxcomp.prox.separable import widened


@dataclass(frozen=True)
class Group:
    r"""Applies the group soft threshold, the proximal operator of :math:`f = \sum_g \|w_g\|_2`.

    With one :math:`\tau` for all, :math:`x_g = (1 - \tau / \|y_g\|)_+ \, y_g`. Groups, axes and
    layout are those of `jaxcomp.losses.group_norms`. `jaxcomp.apply_prox` fills in the axes of each
    array from its own `network` or `layout`.

    Example:
      >>> import jax.numpy as jnp
      >>> kernel = jnp.array([[6.0, 0.5], [8.0, 0.5]])  # output units of norm 10 and 0.7
      >>> Group("unit").prox(kernel, 5.0).tolist()
      [[3.0, 0.0], [4.0, 0.0]]
    """

    groups: Groups = "unit"
    axes: Axes | None = None
    layout: Layout | None = None

    def __post_init__(self) -> None:
        check_groups(self.groups)
        if self.layout is not None:
            check_choice("layout", self.layout, LAYOUTS)

    def value(self, w: jax.Array) -> jax.Array:
        """Return the sum of the norms of the groups."""
        return jnp.sum(group_norms(w, self.groups, axes=self.axes, layout=self.layout))

    @compiled_method  # without `jit`, each call would compile the loop again
    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        r"""Shrink each group as a whole; small groups become exactly zero.

        In the metric of a preconditioner (`tau` is an array) a group becomes zero if and only if
        :math:`\|y / \tau\| \le 1`. Otherwise :math:`x_i = \rho \, y_i / (\rho + \tau_i)`, where the
        norm :math:`\rho` of the result is the root of :math:`\sum_i y_i^2 / (\rho + \tau_i)^2 = 1`.
        Bisection finds it.
        """
        check_whole([y], "norms of groups are taken")
        axes = summed_axes(self.groups, kernel_axes(y.shape, self.axes, self.layout), y.ndim)
        wide, each = widened(y, tau)

        def norm(w: jax.Array) -> jax.Array:
            return jnp.sqrt(jnp.sum(jnp.square(w), axis=axes, keepdims=True))

        # The root lies between the norms that the largest and the smallest tau alone would give.
        low = jnp.maximum(norm(wide) - jnp.max(each, axis=axes, keepdims=True), 0)
        high = jnp.maximum(norm(wide) - jnp.min(each, axis=axes, keepdims=True), 0)
        if jnp.ndim(tau):
            low, high = bisect(lambda norms: norm(safe_quotient(wide, norms + each)) > 1, low, high)
            # The bounds alone would leave the norm of a group that vanishes a little above zero.
            fixed = jnp.any((each == 0) & (wide != 0), axis=axes, keepdims=True)
            high = jnp.where((norm(safe_quotient(wide, each)) > 1) | fixed, high, 0)
        root = jnp.broadcast_to(high, y.shape)
        return (wide * safe_quotient(root, root + each)).astype(y.dtype)
