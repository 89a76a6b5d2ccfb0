r"""Finds local minima of a data term plus the compressibility loss, to the last digits of float64.

It is made for problems of up to a few thousand weights with exact gradients, on which the theorem's
prediction for trained networks is checked. It does not train networks.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from jaxcomp.analysis.critical import (
    Objective,
    descend,
    newton_on_support,
    shortest_subgradient,
)


def subgradient_norm(w: jax.Array, data_term: Objective, strength: float) -> jax.Array:
    r"""Return the length of the shortest subgradient of :math:`f + \lambda L`: 0 at rest."""
    return jnp.linalg.norm(shortest_subgradient(w, data_term, strength))


def minimize(
    start: jax.Array,
    data_term: Objective,
    strength: float,
    *,
    rate: float,
    descent_steps: int = 3_000,
    tolerance: float = 1e-10,
    rounds: int = 30,
) -> Iterator[jax.Array]:
    r"""Yield points ever closer to a local minimum of :math:`F = f + \lambda L`, the last at it.

    Each round has three parts. It descends through the kinks (`descend`), which lets entries leave
    zero and reach it. Then it minimizes by L-BFGS-B with fixed signs, whose bounds set entries to
    exact zero. Last, it polishes with Newton's method on the support.

    Args:
      start: non-zero vector, float64, shape [n].
      data_term: smooth function `f`, bounded below together with `L`.
      strength: :math:`\lambda > 0`, the strength of the loss.
      rate: step of the descent.
      descent_steps: steps of the descent in each round.
      tolerance: largest length of the shortest subgradient at the end.
      rounds: the largest number of rounds.

    Yields:
      The point after each descent, and the last point.

    Raises:
      RuntimeError: if the tolerance is not reached; the message says how far it got.
    """

    @jax.jit
    @jax.value_and_grad
    def with_signs(w: jax.Array, signs: jax.Array) -> jax.Array:
        # It is smooth at zero too, with the slope to the side of the fixed sign.
        return data_term(w) + strength * jnp.vdot(signs, w) / jnp.linalg.norm(w)

    @jax.jit
    def descent(w: jax.Array) -> jax.Array:
        return descend(w, data_term, strength, rate=rate, max_steps=descent_steps)[0]

    @jax.jit
    def polish(w: jax.Array) -> tuple[jax.Array, jax.Array]:
        polished = newton_on_support(w, data_term, strength, steps=3)
        before, after = (subgradient_norm(p, data_term, strength) for p in (w, polished))
        better = after < before  # far from a minimum, Newton's steps go anywhere
        return jnp.where(better, polished, w), jnp.where(better, after, before)

    w, left = start, jnp.inf
    for _ in range(rounds):
        w = descent(w)
        yield w
        w, left = polish(_with_signs_held(w, with_signs))
        if left <= tolerance:
            yield w
            return
    raise RuntimeError(
        f"the shortest subgradient still has length {float(left):.1e} after {rounds} rounds: lower "
        "the rate or allow more rounds or descent steps"
    )


def _with_signs_held(
    w: jax.Array, value_and_gradient: Callable[..., tuple[jax.Array, jax.Array]]
) -> jax.Array:
    signs = np.sign(np.asarray(w))
    on = np.flatnonzero(signs)

    def in_full(magnitudes: np.ndarray) -> jax.Array:
        out = np.zeros_like(signs)
        out[on] = signs[on] * magnitudes
        return jnp.asarray(out)

    def objective(magnitudes: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(in_full(magnitudes), signs)
        return float(value), signs[on] * np.asarray(gradient)[on]

    result = optimize.minimize(
        objective,
        np.abs(np.asarray(w))[on],
        jac=True,
        method="L-BFGS-B",
        bounds=optimize.Bounds(0, np.inf),
        options={"maxiter": 20_000, "maxfun": 50_000, "ftol": 0, "gtol": 1e-9, "maxcor": 50},
    )
    return in_full(result.x)
