"""Applies the compressibility loss to a whole network: over all weights, or per tensor or unit."""

from collections.abc import Callable, Sequence

import jax

from jaxcomp.arguments import check_choice
from jaxcomp.axes import NOTHING, STACK, UNITS, Axes, over_axes, selected_axes
from jaxcomp.choices import ARRAY_SCOPES, SCOPES, Layout, Scope
from jaxcomp.losses.ratio import level_of, ratio_of
from jaxcomp.trees import Mask, PyTree, mask_or_weights, select
from jaxcomp.weights import Network


def compressibility_tree(
    params: PyTree,
    *,
    scope: Scope = "global",
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> jax.Array:
    r"""Return the compressibility loss of the weights of a network.

    Args:
      params: tree of arrays.
      scope: `"global"` for :math:`L` of all selected arrays as one vector, with one ternary level;
        `"tensor"` for the sum :math:`\sum_t L(w_t)` over the arrays, each with its own ternary
        level; `"unit"` for the sum over the output units of each array.
      mask: which leaves count, as in optax: a tree of bools with the structure of `params` or a
        prefix of it, or a function from `params` to such a tree. The default leaves out biases,
        normalization parameters and scalars (`jaxcomp.trees.weight_mask`); `jaxcomp.describe_mask`
        shows its choice and the reasons.
      network: the result of `jaxcomp.trace`. It knows which arrays are weights, which of their axes
        are units, and which arrays are stacks of separate tensors.
      layout: instead of `network`, the position of units in all arrays (see `jaxcomp.axes`). In
        `"flax"`, the default, outputs are on the last axis; in `"torch"`, also for Equinox, on the
        first.

    Returns:
      A scalar. In global scope it is, at a critical point, the square root of the number of
      non-zero weights.

    Raises:
      ValueError: if `scope` or `layout` is unknown, the mask does not fit, or it selects nothing.
        In scope `"unit"` also if a network does not understand a selected leaf, or if `params` is a
        module of Equinox and neither `network` nor `layout` is given.
      TypeError: if a selected leaf is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.array([[2.0, 0.0], [-2.0, 0.0]]), "bias": jnp.ones(2)}
      >>> round(float(compressibility_tree(params)) ** 2, 4)
      2.0
    """
    return _over_tree(ratio_of, params, scope, mask, network, layout)


def level_tree(
    params: PyTree,
    *,
    scope: Scope = "global",
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> jax.Array:
    """Return the ternary level of a network, summed over tensors or units.

    It has the units of the weights. As a penalty it limits their scale, which the ratio does not
    see.

    Arguments, result and errors are those of `compressibility_tree`.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"in": jnp.array([[2.0, 0.0], [-2.0, 0.0]]), "out": jnp.array([[3.0, 3.0]] * 2)}
      >>> float(level_tree(params, scope="tensor"))  # 2 + 3
      5.0
    """
    return _over_tree(level_of, params, scope, mask, network, layout)


def over_scope(
    function: Callable[[Sequence[jax.Array]], jax.Array],
    arrays: Sequence[jax.Array],
    scope: Scope,
    axes: Sequence[Axes | None],
) -> jax.Array:
    """Return `function` of all `arrays` at once, or its sum over tensors or units.

    Args:
      function: from arrays, taken together as one vector, to a scalar.
      arrays: the weights.
      scope: one of `SCOPES`.
      axes: the axes of each array; None for an array that is one tensor.
    """
    check_scope(scope)
    if scope == "global":
        return function(arrays)

    def alone(w: jax.Array) -> jax.Array:
        return function([w])

    return sum(
        over_axes(alone, separate_axes(own, scope))(array).sum()
        for array, own in zip(arrays, axes, strict=True)
    )


def separate_axes(axes: Axes | None, scope: Scope) -> tuple[int, ...]:
    """Return the axes of an array along which tensors, or units, are separate."""
    if axes is None:
        return ()
    return axes.stack + axes.outputs if scope == "unit" else axes.stack


def needs_of(scope: Scope) -> str:
    """Return which axes of arrays must be known for a scope."""
    check_scope(scope)
    return {"global": NOTHING, "tensor": STACK, "unit": UNITS}[scope]


def scope_groups(arrays: Sequence[jax.Array], scope: Scope) -> list[Sequence[jax.Array]]:
    """Return the groups of arrays that share a ratio and a level: all of them, or each alone."""
    check_scope(scope, ARRAY_SCOPES)
    return [arrays] if scope == "global" else [[array] for array in arrays]


def check_scope(scope: Scope, choices: Sequence[str] = SCOPES) -> None:
    """Raise a ValueError that names the choices unless `scope` is one of them."""
    check_choice("scope", scope, choices)


def _over_tree(
    function: Callable[[Sequence[jax.Array]], jax.Array],
    params: PyTree,
    scope: Scope,
    mask: Mask | None,
    network: Network | None,
    layout: Layout | None,
) -> jax.Array:
    mask = mask_or_weights(mask, network)
    arrays, needs = select(params, mask), needs_of(scope)
    axes = selected_axes(params, mask, needs, network=network, layout=layout)
    return over_scope(function, arrays, scope, axes)
