"""Defines what a proximal operator is, and names all of them."""

from typing import Protocol

import jax

from jaxcomp.prox.group import Group
from jaxcomp.prox.ratio import Ratio
from jaxcomp.prox.separable import Hard, Soft


class Prox(Protocol):
    r"""Pairs a penalty :math:`f` of one array with its proximal operator.

    The Moreau envelope is :math:`e(y) = \min_x \frac{1}{2} \|x - y\|^2 + \tau f(x)`. Its gradient
    is :math:`\nabla e(y) = y - \mathrm{prox}(y)` wherever the minimizer is unique.

    Example:
      >>> import jax.numpy as jnp
      >>> soft = PROXES["soft"]
      >>> y = jnp.array([3.0, 0.5])
      >>> float(soft.value(y)), soft.prox(y, 1.0).tolist()
      (3.5, [2.0, 0.0])
    """

    def value(self, w: jax.Array) -> jax.Array:
        """Return the penalty of `w`, a scalar."""

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        r"""Return :math:`\arg\min_x \frac{1}{2} \|x - y\|^2 + \tau f(x)`, in the type of `y`.

        Args:
          y: floating-point array.
          tau: :math:`\tau \ge 0`, a scalar. An array of the shape of `y` is the metric of a
            preconditioner: :math:`\arg\min_x \sum_i (x_i - y_i)^2 / (2 \tau_i) + f(x)`.
        """


PROXES: dict[str, Prox] = {
    "soft": Soft(),
    "hard": Hard(),
    "group_unit": Group("unit"),
    "group_input": Group("input"),
    "group_filter": Group("filter"),
    "ratio": Ratio(),
}
