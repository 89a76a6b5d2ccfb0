"""The penalties that the compressibility loss is held against, of the weights of a network."""

import jax
import jax.numpy as jnp

from jaxcomp.numerics import accumulation_dtype, magnitude
from jaxcomp.trees import Mask, PyTree, select


def l1_tree(params: PyTree, mask: Mask | None = None) -> jax.Array:
    r""":math:`\|w\|_1` of the weights of a network (lasso), with derivative 0 at exact zeros.

    Arguments as in `jaxcomp.compressibility_tree`. It sees the scale of the weights.

    Example:
      >>> import jax.numpy as jnp
      >>> float(l1_tree({"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]]), "bias": jnp.ones(2)}))
      7.0
    """
    return sum(jnp.sum(magnitude(w.astype(accumulation_dtype(w)))) for w in select(params, mask))


def l2_tree(params: PyTree, mask: Mask | None = None) -> jax.Array:
    r""":math:`\frac{1}{2} \|w\|_2^2` of the weights of a network (ridge, weight decay).

    Arguments as in `jaxcomp.compressibility_tree`. It sees the scale of the weights.

    Example:
      >>> import jax.numpy as jnp
      >>> float(l2_tree({"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]]), "bias": jnp.ones(2)}))
      12.5
    """
    return (
        sum(jnp.sum(jnp.square(w.astype(accumulation_dtype(w)))) for w in select(params, mask)) / 2
    )
