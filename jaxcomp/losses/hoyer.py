"""Implements penalties that are functions of the compressibility loss.

Each is a function of a sequence of arrays that are taken together as one vector.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxcomp.losses.ratio import ratio_of


def hoyer_square_of(arrays: Sequence[jax.Array]) -> jax.Array:
    r"""Return the Hoyer-Square penalty, :math:`L(w)^2 = \|w\|_1^2 / \|w\|_2^2`.

    At a critical point it is the number of non-zeros. It does not depend on the scale of the
    weights.

    Source: Yang, Wen, Li, *DeepHoyer*, ICLR 2020, arXiv 1908.09979.

    Args:
      arrays: floating-point arrays, taken together as one vector.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(hoyer_square_of([jnp.array([0.0, 3.0, -3.0, 0.0])])), 4)
      2.0
    """
    return jnp.square(ratio_of(arrays))


def normalized_hoyer_of(arrays: Sequence[jax.Array]) -> jax.Array:
    r"""Return one minus the sparseness of Hoyer, :math:`(L(w) - 1) / (\sqrt n - 1)`, in [0, 1].

    It is 0 with a single non-zero (and for the zero vector), and 1 where all magnitudes are equal,
    whatever the number `n` of entries. With one entry it is 0.

    Source: Hoyer, *Non-negative matrix factorization with sparseness constraints*, JMLR 5 (2004).

    Args:
      arrays: floating-point arrays, taken together as one vector.

    Example:
      >>> import jax.numpy as jnp
      >>> float(normalized_hoyer_of([jnp.array([3.0, -3.0, 3.0, 3.0])]))
      1.0
    """
    ratio = ratio_of(arrays)
    n = sum(array.size for array in arrays)
    if n == 1:
        return 0 * ratio
    return jnp.where(ratio > 0, (ratio - 1) / (math.sqrt(n) - 1), 0)
