"""Implements penalties of the literature, which the compressibility loss is compared with.

Each is a function of a sequence of arrays that are taken together as one vector. It returns a
scalar in float32 or wider, and has derivative 0 at exact zeros.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from jaxcomp.numerics import accumulation_dtype, magnitude


def l1_of(arrays: Sequence[jax.Array]) -> jax.Array:
    r"""Return the lasso penalty, :math:`\|w\|_1`.

    It depends on the scale of the weights.

    Args:
      arrays: floating-point arrays, taken together as one vector.

    Example:
      >>> import jax.numpy as jnp
      >>> float(l1_of([jnp.array([3.0, 0.0, -4.0])]))
      7.0
    """
    return _total(magnitude, arrays)


def l2_of(arrays: Sequence[jax.Array]) -> jax.Array:
    r"""Return the ridge penalty (weight decay), :math:`\frac{1}{2} \|w\|_2^2`.

    It depends on the scale of the weights.

    Args:
      arrays: floating-point arrays, taken together as one vector.

    Example:
      >>> import jax.numpy as jnp
      >>> float(l2_of([jnp.array([3.0, 0.0, -4.0])]))
      12.5
    """
    return _total(jnp.square, arrays) / 2


def transformed_l1_of(arrays: Sequence[jax.Array], a: float = 1.0) -> jax.Array:
    r"""Return the transformed l1 penalty, :math:`\sum_i (a + 1) |w_i| / (a + |w_i|)`.

    It lies between the number of non-zeros (:math:`a \to 0`) and the l1 norm (:math:`a \to
    \infty`). It depends on the scale of the weights.

    Source: Zhang and Xin, *Minimization of transformed l1 penalty*, Mathematical Programming 169
    (2018).

    Args:
      arrays: floating-point arrays, taken together as one vector.
      a: parameter greater than 0, in the units of the weights.

    Example:
      >>> import jax.numpy as jnp
      >>> float(transformed_l1_of([jnp.array([3.0, 0.0, -1.0])]))
      2.5
    """

    def of_entry(w: jax.Array) -> jax.Array:
        return (a + 1) * magnitude(w) / (a + magnitude(w))

    return _total(of_entry, arrays)


def _total(of_entry: Callable[[jax.Array], jax.Array], arrays: Sequence[jax.Array]) -> jax.Array:
    return jnp.asarray(sum(jnp.sum(of_entry(w.astype(accumulation_dtype(w)))) for w in arrays))
