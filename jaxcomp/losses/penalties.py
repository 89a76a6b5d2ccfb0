"""Names all penalties, and applies any of them to a whole network."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.axes import KERNEL, Axes, selected_axes
from jaxcomp.choices import Groups, Layout, Scope
from jaxcomp.losses.baselines import l1_of, l2_of, transformed_l1_of
from jaxcomp.losses.group import check_groups, group_norms
from jaxcomp.losses.hard_concrete import expected_nonzeros_of, gate_mask
from jaxcomp.losses.hoyer import hoyer_square_of, normalized_hoyer_of
from jaxcomp.losses.ratio import ratio_of
from jaxcomp.losses.ternary_gap import ternary_gap_of
from jaxcomp.losses.tree import check_scope, needs_of, over_scope, separate_axes
from jaxcomp.trees import Mask, PyTree, mask_or_weights, select
from jaxcomp.weights import Network

OfVector = Callable[[Sequence[jax.Array]], jax.Array]


class Penalty(NamedTuple):
    """Pairs a penalty with the leaves of a network that it is meant for.

    Example:
      >>> import jax.numpy as jnp
      >>> arrays = [jnp.array([1.0, -2.0])]
      >>> float(PENALTIES["l1"].of(arrays)), PENALTIES["l1"].mask is None
      (3.0, True)
    """

    of: OfVector  # from arrays, taken together as one vector, to a scalar
    mask: Mask | None = None  # the leaves; None for weights


PENALTIES: dict[str, Penalty] = {
    "l1_over_l2": Penalty(ratio_of),
    "hoyer_square": Penalty(hoyer_square_of),
    "normalized_hoyer": Penalty(normalized_hoyer_of),
    "ternary_gap": Penalty(ternary_gap_of),
    "l1": Penalty(l1_of),
    "l2": Penalty(l2_of),
    "transformed_l1": Penalty(transformed_l1_of),
    "l0_hard_concrete": Penalty(expected_nonzeros_of, gate_mask),
}


def penalty_tree(
    params: PyTree,
    penalty: str | OfVector,
    *,
    scope: Scope = "global",
    groups: Groups | None = None,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> jax.Array:
    """Return a penalty of the weights of a network.

    Args:
      params: tree of arrays.
      penalty: a name in `PENALTIES`, or a function from a sequence of arrays, which it takes as one
        vector, to a scalar.
      scope: `"global"` for all selected weights as one vector, `"tensor"` for the sum over arrays,
        `"unit"` for the sum over the output units of each array.
      groups: None for the weights themselves; `"unit"`, `"input"` or `"filter"` for the vector of
        the norms of such groups (`jaxcomp.losses.group_norms`).
      mask: which leaves count (see `jaxcomp.compressibility_tree`). The default is that of the
        penalty: weights, and the gates for `"l0_hard_concrete"`.
      network: the result of `jaxcomp.trace` (see `jaxcomp.compressibility_tree`).
      layout: instead of `network`, the position of units in all arrays (see `jaxcomp.axes`).

    Returns:
      A scalar.

    Raises:
      ValueError: if a name is unknown, the mask does not fit or selects nothing, or `groups` is
        given in scope `"unit"`; with units or groups also as `jaxcomp.compressibility_tree`.
      TypeError: if `penalty` is neither a name nor a function, or the function returns no real
        scalar.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]]), "bias": jnp.ones(2)}
      >>> float(penalty_tree(params, "l1")), float(penalty_tree(params, "l1", groups="unit"))
      (7.0, 5.0)
    """
    check_arrangement(scope, groups)
    chosen = resolve_penalty(penalty)
    mask = mask_or_weights(chosen.mask if mask is None else mask, network)
    needs = arrangement_needs(scope, groups)
    arrays = select(params, mask)
    axes = selected_axes(params, mask, needs, network=network, layout=layout)
    if groups is not None:
        arrays = [
            group_norms(array, groups, axes=own) for array, own in zip(arrays, axes, strict=True)
        ]
        stacks = [len(separate_axes(own, "tensor")) for own in axes]
        axes = [Axes((), (), stack=tuple(range(number))) for number in stacks]
    return over_scope(chosen.of, arrays, scope, axes)


def resolve_penalty(penalty: str | OfVector) -> Penalty:
    """Return the penalty with that name, or the penalty of that function.

    Raises:
      ValueError: if the name is unknown; the message lists the names.
      TypeError: if `penalty` is neither a name nor a function.
    """
    if callable(penalty):
        return Penalty(_scalar(penalty))
    if not isinstance(penalty, str):
        raise TypeError(f"a penalty is a name or a function, got {penalty!r}")
    if penalty not in PENALTIES:
        names = ", ".join(map(repr, PENALTIES))
        raise ValueError(f"unknown penalty {penalty!r}: choose from {names}, or give a function")
    return PENALTIES[penalty]


def _scalar(function: OfVector) -> OfVector:
    """Return the function with a check that its result is a real scalar."""

    def of(arrays: Sequence[jax.Array]) -> jax.Array:
        value = function(arrays)
        is_scalar = isinstance(value, jax.Array) and value.shape == ()
        if not (is_scalar and jnp.issubdtype(value.dtype, jnp.floating)):
            raise TypeError(
                "the penalty, a function of a sequence of arrays, must give a real scalar of JAX, "
                f"got {value!r}"
            )
        return value

    return of


def arrangement_needs(scope: Scope, groups: Groups | None) -> str:
    """Return which axes of arrays must be known for a scope and groups."""
    return needs_of(scope) if groups is None else KERNEL


def check_arrangement(scope: Scope, groups: Groups | None) -> None:
    """Raise a ValueError unless weights can be arranged by `scope` and `groups`."""
    check_scope(scope)
    if groups is not None:
        check_groups(groups)
        if scope == "unit":
            raise ValueError(
                f"groups={groups!r} leave nothing to take per unit: choose scope 'tensor' or "
                "'global', or no groups"
            )
