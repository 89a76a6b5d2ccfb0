"""The compressibility loss of a whole network: over all weights, or per tensor or unit."""

from collections.abc import Callable, Sequence

import jax

from jaxcomp.arguments import check_choice
from jaxcomp.losses.ratio import level_of, ratio_of
from jaxcomp.trees import Mask, PyTree, select

SCOPES = ("tensor", "global", "unit")
ARRAY_SCOPES = SCOPES[:2]  # those that leave arrays whole


def compressibility_tree(
    params: PyTree, scope: str = "global", mask: Mask | None = None
) -> jax.Array:
    r"""The compressibility loss of the weights of a network.

    Args:
      params: tree of arrays.
      scope: `"tensor"` for :math:`\sum_t L(w_t)` over the selected arrays, each with its own
        ternary level; `"global"` for :math:`L` of all of them as one vector, with one level;
        `"unit"` for the sum over the output units (last axis) of each array.
      mask: which leaves count, as in optax: a tree of bools with the structure of `params` or a
        prefix of it, or a function from `params` to one. The default leaves biases, normalisation
        parameters and scalars out (`jaxcomp.trees.weight_mask`).

    Returns:
      A scalar. In global scope it is, at a critical point, the square root of the number of
      non-zero weights.

    Raises:
      ValueError: if `scope` is unknown, if the mask does not fit, or if it selects nothing.
      TypeError: if a selected leaf is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.array([[2.0, 0.0], [-2.0, 0.0]]), "bias": jnp.ones(2)}
      >>> round(float(compressibility_tree(params)) ** 2, 4)
      2.0
    """
    return over_scope(ratio_of, select(params, mask), scope)


def level_tree(params: PyTree, scope: str = "global", mask: Mask | None = None) -> jax.Array:
    """The ternary level of a network, summed over tensors or units.

    Arguments, result and errors as in `compressibility_tree`. It has the units of the weights, and
    serves as the magnitude term that the scale-free ratio lacks.
    """
    return over_scope(level_of, select(params, mask), scope)


def over_scope(
    function: Callable[[Sequence[jax.Array]], jax.Array], arrays: Sequence[jax.Array], scope: str
) -> jax.Array:
    """`function` of all `arrays` at once, or its sum over arrays or units, as `scope` says."""
    if scope == "unit":
        of_units = jax.vmap(lambda unit: function([unit]), in_axes=-1)
        return sum(of_units(array).sum() for array in arrays)
    return sum(function(group) for group in scope_groups(arrays, scope))


def scope_groups(arrays: Sequence[jax.Array], scope: str) -> list[Sequence[jax.Array]]:
    """The arrays that share a ratio and a level: all of them, or each by itself, in order."""
    check_scope(scope, ARRAY_SCOPES)
    return [arrays] if scope == "global" else [[array] for array in arrays]


def check_scope(scope: str, choices: Sequence[str] = SCOPES) -> None:
    """Raise a ValueError that names the choices unless `scope` is one of them."""
    check_choice("scope", scope, choices)
