"""The compressibility loss of a whole network: over all weights, or per tensor or unit."""

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
      scope: `"tensor"` for :math:`\sum_t L(w_t)` over the selected arrays, each with its own
        ternary level; `"global"` for :math:`L` of all of them as one vector, with one level;
        `"unit"` for the sum over the output units of each array.
      mask: which leaves count, as in optax: a tree of bools with the structure of `params` or a
        prefix of it, or a function from `params` to one. The default leaves biases, normalization
        parameters and scalars out (`jaxcomp.trees.weight_mask`, and `jaxcomp.describe_mask` for
        what it chooses and why).
      network: from `jaxcomp.trace`, which knows what each array is: which are weights, which axes
        are units, and that stacked layers are separate tensors.
      layout: or where the units of all arrays are (see `jaxcomp.axes`): `"flax"`, the default, has
        outputs on the last axis, `"torch"`, for Equinox as well, on the first.

    Returns:
      A scalar. In global scope it is, at a critical point, the square root of the number of
      non-zero weights.

    Raises:
      ValueError: if `scope` or `layout` is unknown, if the mask does not fit, or if it selects
        nothing; in scope `"unit"` also if a network does not understand a selected leaf, or a
        module of Equinox is given without a network or a layout.
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

    Arguments, result and errors as in `compressibility_tree`. It has the units of the weights, and
    serves as the magnitude term that the scale-free ratio lacks.
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
      function: from arrays that are taken as one vector to a scalar.
      arrays: the weights.
      scope: one of `SCOPES`.
      axes: those of each array; None for one that is a tensor as a whole.
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
    """Return what has to be known of the axes of arrays for a scope."""
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
