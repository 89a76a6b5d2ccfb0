"""What a proximal operator is, and all of them by name."""

from typing import Protocol

import jax

from jaxcomp.prox.group import Group
from jaxcomp.prox.ratio import Ratio
from jaxcomp.prox.separable import Hard, Soft


class Prox(Protocol):
    r"""A penalty :math:`f` of one array and its proximal operator.

    With :math:`e(y) = \min_x \frac{1}{2} \|x - y\|^2 + \tau f(x)`, the Moreau envelope,
    :math:`\nabla e(y) = y - \mathrm{prox}(y)` wherever the minimizer is unique.
    """

    def value(self, w: jax.Array) -> jax.Array:
        """The penalty of `w`, a scalar."""

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        r"""The minimizer :math:`\arg\min_x \frac{1}{2} \|x - y\|^2 + \tau f(x)`, in y's type.

        Args:
          y: floating-point array.
          tau: :math:`\tau \ge 0`, a scalar; or, of the shape of `y`, for the metric of a
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
