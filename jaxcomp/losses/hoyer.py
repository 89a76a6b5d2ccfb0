"""Relatives of the compressibility loss that are functions of it.

Each is a function of a sequence of arrays that are taken together as one vector.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxcomp.losses.ratio import ratio_of


def hoyer_square_of(arrays: Sequence[jax.Array]) -> jax.Array:
    r""":math:`L(w)^2 = \|w\|_1^2 / \|w\|_2^2`: at a critical point the number of non-zeros.

    Source: Yang, Wen, Li, *DeepHoyer*, ICLR 2020, arXiv 1908.09979.

    Example:
      >>> import jax.numpy as jnp
      >>> round(float(hoyer_square_of([jnp.array([0.0, 3.0, -3.0])])), 4)
      2.0
    """
    return jnp.square(ratio_of(arrays))


def normalized_hoyer_of(arrays: Sequence[jax.Array]) -> jax.Array:
    r""":math:`(L(w) - 1) / (\sqrt n - 1)`, in [0, 1]: one minus the sparseness of Hoyer.

    It is 0 with a single non-zero (and for the zero vector) and 1 where all magnitudes are equal,
    whatever the number `n` of entries; 0 if there is only one.

    Source: Hoyer, *Non-negative matrix factorization with sparseness constraints*, JMLR 5 (2004).

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
