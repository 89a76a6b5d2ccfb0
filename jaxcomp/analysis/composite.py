r"""Predicts by the theorem what a data term does to ternary weights of trained networks.

At a stationary point of :math:`F = f + \lambda L`, a weight on the support obeys
:math:`|w_i| / c = 1 + (r / \lambda) s_i \, \partial_i f`, and a weight off it
:math:`(r / \lambda) |\partial_j f| \le 1`: weights are as far from ternary as the data term pulls.
This project derived the condition from the gradient of the loss.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.choices import Scope
from jaxcomp.losses.ratio import level_of
from jaxcomp.losses.tree import scope_groups
from jaxcomp.norms import scaled_norms
from jaxcomp.numerics import safe_sqrt
from jaxcomp.trees import Mask, PyTree, select


class CompositeCondition(NamedTuple):
    """Holds both sides of the condition for every weight, in tree order; all of shape [n]."""

    on_support: np.ndarray  # bool: whether a weight counts as non-zero
    measured: np.ndarray  # |w_i| / c
    predicted: np.ndarray  # on S: 1 + (r / strength) s_i df_i; off it: (r / strength) |df_i|


class Agreement(NamedTuple):
    """Says how well a network obeys the condition."""

    weights: int
    on_support: int
    correlation: float  # between the two sides over the support; NaN if one is constant
    worst_residual: float  # largest |measured - predicted| over the support
    median_residual: float
    held: float  # share of the weights off the support with (r / strength) |df_j| <= 1


def composite_condition(
    params: PyTree,
    data_gradient: PyTree,
    strength: float,
    *,
    scope: Scope = "global",
    mask: Mask | None = None,
    zero: float = 0.0,
) -> CompositeCondition:
    r"""Return both sides of the composite condition for every weight of a network.

    Args:
      params: tree of arrays.
      data_gradient: gradient of the data term alone at `params`, over all of its data.
      strength: :math:`\lambda > 0`, the strength of the loss.
      scope: scope of the penalty, `"global"` or `"tensor"`: one `r` and `c`, or one in each tensor.
      mask: the weights that were penalized (see `jaxcomp.compressibility_tree`).
      zero: weights up to this fraction of `c` count as zero. Stochastic training does not reach
        exact zeros but stays near them.

    Raises:
      ValueError: if `strength` is not positive, `scope` is unknown, or the mask selects nothing.
    """
    if not strength > 0:
        raise ValueError(f"strength must be greater than 0, got {strength}")
    groups = scope_groups(select(params, mask), scope)
    slopes = iter(select(data_gradient, mask))
    parts = []
    for group in groups:
        norms = scaled_norms(group)
        r, c = norms.scale * safe_sqrt(norms.sum_of_squares), level_of(group)
        for leaf in group:
            sides = composite_sides(leaf, next(slopes), r, c, strength, zero)
            parts.append([np.asarray(side).ravel() for side in sides])
    return CompositeCondition(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def composite_sides(
    w: jax.Array,
    data_gradient: jax.Array,
    r: jax.Array,
    c: jax.Array,
    strength: float,
    zero: float = 0.0,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the fields of `CompositeCondition` for weights of norm `r` and level `c`."""
    measured = jnp.abs(w) / c
    pull = r / strength * data_gradient
    on = measured > zero
    return on, measured, jnp.where(on, 1 + jnp.sign(w) * pull, jnp.abs(pull))


def agreement(condition: CompositeCondition) -> Agreement:
    """Return how well a condition holds: residuals on the support, and the share that holds off it.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.analysis.composite import CompositeCondition, agreement
      >>> on = np.array([True, True, False])
      >>> condition = CompositeCondition(on, np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.5, 0.3]))
      >>> agreement(condition).worst_residual, agreement(condition).held
      (0.5, 1.0)
    """
    on, measured, predicted = condition
    measured_on, predicted_on = measured[on], predicted[on]
    residual = np.abs(measured_on - predicted_on)
    varies = on.any() and np.ptp(measured_on) > 0 and np.ptp(predicted_on) > 0
    return Agreement(
        weights=on.size,
        on_support=int(on.sum()),
        correlation=float(np.corrcoef(measured_on, predicted_on)[0, 1]) if varies else float("nan"),
        worst_residual=float(residual.max(initial=0)),
        median_residual=float(np.median(residual)) if on.any() else 0.0,
        held=float(np.mean(predicted[~on] <= 1)) if not on.all() else 1.0,
    )
