"""Implements the compressibility loss `||w||_1 / ||w||_2` of one vector, and its ternary level.

Source: Aytekin, Cricri, Aksu, *Compressibility Loss for Neural Network Weights*, arXiv 1905.01044.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxcomp.compiled import compiled
from jaxcomp.norms import scaled_norms
from jaxcomp.numerics import check_array, safe_quotient, safe_sqrt


@compiled
def compressibility(w: ArrayLike) -> jax.Array:
    r"""Return the compressibility loss :math:`L(w) = \|w\|_1 / \|w\|_2` of one array.

    For a non-zero `w` with `k` non-zero entries, :math:`1 \le L(w) \le \sqrt{k}`: one non-zero
    entry gives 1, equal magnitudes give :math:`\sqrt{k}`. The loss depends neither on the scale nor
    on the signs of `w`. By convention :math:`L(0) = 0` with gradient 0.

    The gradient is the closed form :math:`\operatorname{sign}(w_i) / r \cdot (1 - |w_i| / c)` with
    :math:`r = \|w\|_2` and the ternary level :math:`c = r^2 / \|w\|_1`: entries below `c` are
    pushed to zero, entries above it are pushed up. It is exactly 0 where `w` is exactly 0. Value
    and gradient are finite at any finite float32 `w`. (A float16 gradient overflows where
    :math:`\|w\|_2 < 1.6 \cdot 10^{-5}`.)

    Args:
      w: floating-point array of any shape, taken as one vector. bfloat16 and float16 are
        accumulated in float32.

    Returns:
      A scalar, float32 (float64 for float64 input).

    Raises:
      TypeError: if `w` is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> float(compressibility(jnp.array([0.0, 3.0, 0.0, -3.0, 3.0, 3.0])))
      2.0
    """
    return ratio_of([_one_array(w, "compressibility")])


@compiled
def ternary_level(w: ArrayLike) -> jax.Array:
    r"""Return the level :math:`c = \|w\|_2^2 / \|w\|_1` at which the gradient of the loss vanishes.

    At a critical point of the loss `w` is ternary, :math:`w_i \in \{-c, 0, c\}`. The level has the
    units of `w`. By convention :math:`c(0) = 0` with gradient 0.

    Args:
      w: floating-point array of any shape, taken as one vector.

    Returns:
      A scalar, float32 (float64 for float64 input).

    Raises:
      TypeError: if `w` is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> float(ternary_level(jnp.array([0.0, 3.0, 0.0, -3.0, 3.0, 3.0])))
      3.0
    """
    return level_of([_one_array(w, "ternary_level")])


def ratio_of(arrays: Sequence[jax.Array]) -> jax.Array:
    """Return `||w||_1 / ||w||_2` of all `arrays` taken together as one vector, a scalar."""
    _, l1, sum_of_squares = scaled_norms(arrays)
    return safe_quotient(l1, safe_sqrt(sum_of_squares))


def level_of(arrays: Sequence[jax.Array]) -> jax.Array:
    """Return `||w||_2^2 / ||w||_1` of all `arrays` taken together as one vector, a scalar."""
    scale, l1, sum_of_squares = scaled_norms(arrays)
    return scale * safe_quotient(sum_of_squares, l1)


def _one_array(w: ArrayLike, use: str) -> jax.Array:
    if isinstance(w, dict | list | tuple) or w is None:
        raise TypeError(
            f"{use} takes one array, got a {type(w).__name__}: for a tree of arrays there are "
            "jaxcomp.compressibility_tree and jaxcomp.losses.level_tree"
        )
    w = jnp.asarray(w)
    check_array("w", w)
    return w
