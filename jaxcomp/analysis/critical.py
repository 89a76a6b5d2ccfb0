r"""Finds and classifies critical points of the compressibility loss numerically, in float64.

The objective is :math:`F(w) = f(w) + \lambda L(w)` with a smooth data term `f`; without one it is
`L` alone. `F` is not smooth where an entry is zero, and there its slopes to both sides decide.

All functions take one vector and batch with `vmap`. They run in the precision of their input; call
them under `jax.enable_x64(True)` for the tolerances of `jaxcomp.analysis.verify`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.analysis.theory import norms
from jaxcomp.losses import compressibility

Objective = Callable[[jax.Array], jax.Array]


class Kind(NamedTuple):
    """Says what kind of point a vector is, by curvature on the support and slopes off it."""

    nonzeros: jax.Array  # shape=(), int: size k of the support
    negative: jax.Array  # shape=(), int: directions on the support in which it is a maximum
    flat: jax.Array  # shape=(), int: directions on the support without curvature
    gradient: jax.Array  # shape=(): largest entry of r * gradient on the support
    # shape=(): smallest slope on leaving zero, times r / strength. It is positive at a
    # kink-minimum, and infinite if nothing is zero.
    slope: jax.Array

    @property
    def is_saddle(self) -> jax.Array:
        """Tell whether it is a maximum in some direction of the support, a minimum across it."""
        return (self.negative > 0) & (self.slope > 0) & jnp.isfinite(self.slope)

    @property
    def is_minimum(self) -> jax.Array:
        """Tell whether it is curved up or flat on the support, and uphill across it."""
        return (self.negative == 0) & (self.slope > 0)


def penalized(data_term: Objective | None, strength: float) -> Objective:
    r"""Return :math:`f + \lambda L`, or `L` alone if there is no data term."""
    if data_term is None:
        return compressibility
    return lambda w: data_term(w) + strength * compressibility(w)


def shortest_subgradient(
    w: jax.Array, data_term: Objective | None = None, strength: float = 1.0
) -> jax.Array:
    """Return the subgradient of `F` of least length: 0 where `F` rests.

    At a non-zero entry it is the derivative. At a zero it is the part of the data term's pull
    beyond `strength / r`, with which the kink holds.
    """
    gradient = jax.grad(penalized(data_term, strength))(w)
    beyond = jnp.maximum(jnp.abs(gradient) - strength / norms(w)[1], 0)
    return jnp.where(w == 0, jnp.sign(gradient) * beyond, gradient)


def newton_on_support(
    w: jax.Array, data_term: Objective | None = None, strength: float = 1.0, *, steps: int = 20
) -> jax.Array:
    r"""Return a critical point of `F` with the support of `w`, by Newton's method.

    Without a data term, `F` does not depend on the scale of `w`: along `w` its Hessian is useless
    (a plain Newton step would double `w`), so the step is taken on the sphere, across `w`. From any
    vector it ends in one step at the ternary vector of the same signs, since on a support `L` is
    :math:`\sqrt{k}` times the cosine between :math:`|w|` and the vector of ones.

    With a data term, an entry that a step would carry through zero is set to zero and stays there.
    """
    objective = penalized(data_term, strength)

    def step(_: int, w: jax.Array) -> jax.Array:
        on, r = w != 0, norms(w)[1]
        gradient = jnp.where(on, jax.grad(objective)(w), 0)
        hessian = jnp.where(jnp.outer(on, on), jax.hessian(objective)(w), 0)
        if data_term is None:
            unit = w / r
            across = jnp.eye(w.size) - jnp.outer(unit, unit)
            hessian = across @ hessian @ across - jnp.outer(unit, unit) / r**2
        hessian += jnp.diag(jnp.where(on, 0.0, 1.0))
        return _stop_at_zero(w, w - jnp.linalg.solve(hessian, gradient))

    return jax.lax.fori_loop(0, steps, step, w)


def descend(
    w: jax.Array,
    data_term: Objective | None = None,
    strength: float = 1.0,
    *,
    rate: float,
    max_steps: int,
) -> tuple[jax.Array, jax.Array]:
    """Descend on `F`, with zero as the kink that it is, from `w` until it rests.

    The step follows the subgradient of least length. A non-zero entry follows its derivative, and
    is set to exactly zero where it would cross it. A zero entry moves only if the data term pulls
    harder than the kink holds. Without a data term, descent stops when a single non-zero is left.

    Args:
      w: the vector to start from, shape [n].
      data_term: smooth function `f`, or None.
      strength: strength of the loss.
      rate: length of a step per subgradient; without a data term, per subgradient at norm 1.
      max_steps: the largest number of steps.

    Returns:
      The last point, and the number of steps made.
    """

    def subgradient(w: jax.Array) -> jax.Array:
        return shortest_subgradient(w, data_term, strength)

    def goes_on(state: tuple) -> jax.Array:
        w, slope, steps = state
        moving = jnp.any(slope != 0) if data_term is not None else jnp.sum(w != 0) > 1
        return moving & (steps < max_steps)

    def step(state: tuple) -> tuple:
        w, slope, steps = state
        w = _stop_at_zero(w, w - rate * slope)
        if data_term is None:
            w /= norms(w)[1]
        return w, subgradient(w), steps + 1

    if data_term is None:
        w = w / norms(w)[1]
    w, _, steps = jax.lax.while_loop(goes_on, step, (w, subgradient(w), jnp.asarray(0)))
    return w, steps


def classify(
    w: jax.Array, data_term: Objective | None = None, strength: float = 1.0, *, flat: float = 1e-6
) -> Kind:
    r"""Tell what kind of point of `F` a vector is.

    Args:
      w: the vector, shape [n].
      data_term: smooth function `f`, or None.
      strength: strength of the loss.
      flat: curvatures below this, in units of :math:`\lambda / (c^2 \sqrt{k})`, count as zero.
    """
    objective = penalized(data_term, strength)
    on, k, (_, r, c) = w != 0, jnp.sum(w != 0), norms(w)
    unit = c**2 * jnp.sqrt(k.astype(w.dtype)) / strength
    hessian = jnp.where(jnp.outer(on, on), unit * jax.hessian(objective)(w), 0)
    curvature = jnp.linalg.eigvalsh(hessian + jnp.diag(jnp.where(on, 0.0, 2 * flat + 1.0)))
    gradient = jax.grad(objective)(w)
    return Kind(
        nonzeros=k,
        negative=jnp.sum(curvature < -flat),
        flat=jnp.sum(jnp.abs(curvature) <= flat),
        gradient=r * jnp.max(jnp.where(on, jnp.abs(gradient), 0)),
        # Off the support the loss has derivative 0 here, and slope 1 / r to both sides.
        slope=jnp.min(jnp.where(on, jnp.inf, 1 - r / strength * jnp.abs(gradient))),
    )


def _stop_at_zero(before: jax.Array, after: jax.Array) -> jax.Array:
    return jnp.where(before * after < 0, 0, after)
