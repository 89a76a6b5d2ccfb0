"""Chooses a proximal operator for each leaf, and takes one step with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice
from jaxcomp.axes import KERNEL, STACK, Axes, check_source, leaf_axes
from jaxcomp.choices import Layout
from jaxcomp.prox import PROXES, Group, Prox
from jaxcomp.transforms.updates import wider_dtype
from jaxcomp.trees import Mask, PyTree, resolve_mask
from jaxcomp.weights import Network


@dataclass(frozen=True)
class _OfEach:
    """Applies an operator to each of the tensors that are stacked in an array."""

    operator: Prox
    stack: Sequence[int]

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        """Return the results of the operator in the places of the tensors."""
        prox = self.operator.prox
        for axis in sorted(self.stack):  # the last map takes the whole array
            prox = jax.vmap(prox, in_axes=(axis, axis if jnp.ndim(tau) else None), out_axes=axis)
        return prox(y, tau)


Operator = Prox | _OfEach
UNTOUCHED = "untouched"  # stands for the operator of a leaf that the mask leaves out


def operators_of(
    prox: str | Prox, network: Network | None, layout: Layout | None
) -> Callable[[PyTree, Mask], PyTree]:
    """Return a function from parameters and a mask to the operator of each leaf."""
    if not hasattr(prox, "prox"):
        check_choice("prox", prox, PROXES)
    operator = PROXES[prox] if isinstance(prox, str) else prox
    check_source(network, layout)
    groups = operator if isinstance(operator, Group) else None
    has_own = groups is not None and not (groups.axes is None and groups.layout is None)
    if has_own and not (network is None and layout is None):
        raise ValueError(
            f"{operator!r} has axes of its own: give a network or a layout to it or to the "
            "transformation, not both"
        )
    needs = KERNEL if groups is not None and not has_own else STACK

    def of(axes: Axes | None) -> Operator:
        if axes is None:
            return operator
        if groups is not None:
            return replace(groups, axes=axes)
        return _OfEach(operator, axes.stack) if axes.stack else operator

    def operators(params: PyTree, mask: Mask) -> PyTree:
        axes = leaf_axes(params, mask, needs, network=network, layout=layout)
        chosen = jax.tree.leaves(resolve_mask(mask, params))
        return jax.tree.unflatten(
            jax.tree.structure(params),
            [of(own) if one else UNTOUCHED for own, one in zip(axes, chosen, strict=True)],
        )

    return operators


def proximal_step(
    operator: Operator, u: jax.Array, p: jax.Array, tau: jax.Array | float
) -> jax.Array:
    """Return the update of `p` to the operator's result at `p + u`; its zeros are exact."""
    dtype = wider_dtype(u, p)
    p = p.astype(dtype)
    # `x - p` may be rounded, except where x is 0: p + (0 - p) is exactly 0.
    return operator.prox(p + u.astype(dtype), tau) - p
