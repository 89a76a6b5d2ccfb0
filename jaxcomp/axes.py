"""What the axes of a weight are: the units that it takes in, gives out, and is repeated over.

Everything that speaks of units takes them from here: from a network that was traced, or from the
layout of a framework, which says it of all arrays at once.

* `"flax"`, for Linen and NNX: `[window..., inputs, outputs]`. It is the default.
* `"torch"`, for PyTorch and Equinox: `[outputs, inputs, window...]`.

A layout knows no array that has several output axes (attention), is stacked (scanned layers), or is
the other way around than the others (an embedding or a transposed convolution of PyTorch). Trace
the network for these: `network=jaxcomp.trace(apply, params, x)`. Without a trace, a transformation
`tx` treats stacked layers as separate ones by `jax.vmap(tx.init)(params)` and
`jax.vmap(tx.update)(updates, state, params)`, along the first axis of each array.
"""

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice
from jaxcomp.choices import LAYOUTS, Layout
from jaxcomp.trees import Mask, PyTree, path_name, resolve_mask
from jaxcomp.weights import Network, check_network, parameter_of

# What is asked of the axes of an array.
NOTHING = "nothing"
STACK = "stack"  # which axes separate tensors, where that is known
UNITS = "units"  # also which are those of output units
KERNEL = "kernel"  # also which are those of input units


class Axes(NamedTuple):
    """The axes of one weight by their meaning; each axis is in at most one of the four.

    A dense kernel of Flax, [in, out], has `inputs=(0,)` and `outputs=(1,)`; one of attention, [d,
    heads, features], has `outputs=(1, 2)`; a convolution of Equinox, [out, in, height, width], has
    `outputs=(0,)`, `inputs=(1,)` and `window=(2, 3)`; the kernel of three layers that are scanned,
    [3, in, out], has `stack=(0,)`. An axis that is in none of the four counts as one of the window.
    """

    inputs: tuple[int, ...]  # contracted with the units that come in
    outputs: tuple[int, ...]  # the units that go out
    window: tuple[int, ...] = ()  # places of a convolution
    stack: tuple[int, ...] = ()  # separate matrices in one array


def check_source(network: Network | None, layout: Layout | None) -> None:
    """Raise an error unless at most one of `network` and `layout` is given, and is one."""
    check_network(network)
    if layout is not None:
        check_choice("layout", layout, LAYOUTS)
    if network is not None and layout is not None:
        raise ValueError(
            f"give a network or layout={layout!r}, not both: a network knows the axes of each array"
        )


def leaf_axes(
    params: PyTree,
    mask: Mask | None,
    needs: str,
    *,
    network: Network | None = None,
    layout: Layout | None = None,
) -> list[Axes | None]:
    """Return the axes of each leaf of a tree, in tree order.

    Args:
      params: tree of arrays.
      mask: the leaves whose axes are wanted (see `jaxcomp.trees.resolve_mask`).
      needs: what has to be known of them: `NOTHING`, `STACK`, `UNITS` or `KERNEL`.
      network: from `jaxcomp.trace`; leaves are found by name, so that the tree may be wrapped.
      layout: one of `LAYOUTS`; `"flax"` where neither is given.

    Returns:
      None for leaves that the mask does not select, and for those of which no axes are known and
      no more than the stack would be needed: they are one tensor each.

    Raises:
      ValueError: if both `network` and `layout` are given; or, where more than the stack is needed,
        if neither is given and the tree holds a module of Equinox, an array has too few axes, or
        the network does not understand a selected leaf.
    """
    check_source(network, layout)
    chosen = jax.tree.leaves(resolve_mask(mask, params))
    if needs == NOTHING or (network is None and needs == STACK):
        return [None] * len(chosen)
    if network is None and layout is None and _holds_equinox(params):
        raise ValueError(
            "this speaks of units, and a module of Equinox has other axes than one of Flax: give "
            'layout="torch", which is [outputs, inputs, window...], or '
            "network=jaxcomp.trace(apply, params, x), which knows the axes of each array"
        )

    def of_leaf(name: str, shape: tuple[int, ...]) -> Axes | None:
        if network is not None:
            return _of_network(name, len(shape), needs, network)
        if len(shape) < (2 if needs == KERNEL else 1):
            raise ValueError(
                f"{name!r} has shape {shape}, and no {'inputs' if shape else 'units'}: groups and "
                "patterns of units are those of a kernel; leave it out with a mask"
            )
        return of_layout(layout, len(shape))

    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [
        of_leaf(path_name(path), tuple(leaf.shape)) if selected else None
        for (path, leaf), selected in zip(leaves, chosen, strict=True)
    ]


def selected_axes(
    params: PyTree,
    mask: Mask | None,
    needs: str,
    *,
    network: Network | None = None,
    layout: Layout | None = None,
) -> list[Axes | None]:
    """Return the axes of the leaves that `jaxcomp.trees.select` gives; see `leaf_axes`."""
    axes = leaf_axes(params, mask, needs, network=network, layout=layout)
    chosen = jax.tree.leaves(resolve_mask(mask, params))
    return [own for own, selected in zip(axes, chosen, strict=True) if selected]


def of_layout(layout: Layout | None, ndim: int) -> Axes:
    """Return the axes of an array in the layout of a framework; a single axis is that of outputs.

    Raises:
      ValueError: if the layout is unknown.
    """
    layout = "flax" if layout is None else layout
    check_choice("layout", layout, LAYOUTS)
    if ndim < 2:
        return Axes((), tuple(range(ndim)))
    if layout == "torch":
        return Axes((1,), (0,), tuple(range(2, ndim)))
    return Axes((ndim - 2,), (ndim - 1,), tuple(range(ndim - 2)))


def own_axes(name: str, ndim: int, axes: Axes | None, layout: Layout | None) -> Axes:
    """Return the axes of one array, from what a user says of it.

    Raises:
      ValueError: if both are given, or they are not those of an array with `ndim` axes.
    """
    if axes is None:
        return of_layout(layout, ndim)
    if layout is not None:
        raise ValueError(f"give axes={axes!r} or layout={layout!r}, not both")
    if not isinstance(axes, Axes):
        raise TypeError(f"axes must be a `jaxcomp.axes.Axes`, got {axes!r}")
    _check_fits(name, axes, ndim)
    return axes


def rest_of(axes: Axes, ndim: int) -> tuple[int, ...]:
    """Return the axes that are not of units or a stack: of the window, or of no known meaning."""
    return tuple(a for a in range(ndim) if a not in (*axes.stack, *axes.inputs, *axes.outputs))


def all_but(kept: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return the other axes, in order."""
    return tuple(axis for axis in range(ndim) if axis not in kept)


def matrices(w: jax.Array, axes: Axes | None) -> list[jax.Array]:
    """Return the separate tensors [window..., inputs, outputs] that an array holds.

    Several axes of inputs, or of outputs, are taken as one. An array without known axes, or in this
    form, is returned as it is.
    """
    if axes is None or _is_canonical(axes, w.ndim):
        return [w]
    sizes = _sizes(w.shape, axes)
    moved = jnp.transpose(w, _order(axes, w.ndim)).reshape(math.prod(sizes.stack), *sizes.tensor)
    return list(moved)


def from_matrices(
    parts: Sequence[jax.Array], shape: tuple[int, ...], axes: Axes | None
) -> jax.Array:
    """Return the array of this shape that holds the tensors that `matrices` gives of it."""
    if axes is None or _is_canonical(axes, len(shape)):
        return parts[0]
    order = _order(axes, len(shape))
    moved = jnp.stack(parts).reshape([shape[axis] for axis in order])
    return jnp.transpose(moved, [order.index(axis) for axis in range(len(shape))])


def over_axes(function: Callable[[jax.Array], jax.Array], axes: Sequence[int]) -> Callable:
    """Return `function` of each slice of an array along some axes, which come last in the result.

    They are in ascending order there, after the axes of what the function gives.
    """
    for axis in sorted(axes):  # the largest maps the array as a whole
        function = jax.vmap(function, in_axes=axis, out_axes=-1)
    return function


def beside(values: jax.Array, ndim: int, axes: Sequence[int]) -> jax.Array:
    """Return values of slices, [..., *slices] as `over_axes` has them, for use beside the array.

    That is, [..., *sizes] with the `ndim` axes of the array, of size 1 but for those of the slices.
    """
    lead = values.ndim - len(axes)
    return jnp.expand_dims(values, [lead + axis for axis in all_but(axes, ndim)])


def _of_network(name: str, ndim: int, needs: str, network: Network) -> Axes | None:
    known = parameter_of(network, name)
    axes = known.axes
    if axes is not None:
        _check_fits(name, axes, ndim)
    has = {
        STACK: True,
        UNITS: axes is not None and bool(axes.inputs or axes.outputs),
        KERNEL: axes is not None and bool(axes.inputs),  # not so for a bias
    }
    if not has[needs]:
        units = "units" if needs == UNITS else "inputs and output units"
        raise ValueError(
            f"the network does not know axes of {name!r} that are {units}: {known.reason}; leave "
            "it out with a mask, or choose a scope or a pattern without units"
        )
    return axes


def _check_fits(name: str, axes: Axes, ndim: int) -> None:
    named = [axis for group in axes for axis in group]
    if len(set(named)) < len(named) or not all(0 <= axis < ndim for axis in named):
        raise ValueError(
            f"{axes!r} are not axes of {name!r}, which has {ndim}: name each at most once, counted "
            "from 0, and trace the network with parameters of these shapes"
        )


def _holds_equinox(tree: PyTree) -> bool:
    equinox = sys.modules.get("equinox")  # where it was not imported, no module is one of its own
    if equinox is None:
        return False

    def is_module(node: Any) -> bool:
        return isinstance(node, equinox.Module)

    return any(is_module(leaf) for leaf in jax.tree.leaves(tree, is_leaf=is_module))


class _Sizes(NamedTuple):
    stack: tuple[int, ...]
    tensor: tuple[int, ...]  # [window..., inputs, outputs]


def _sizes(shape: tuple[int, ...], axes: Axes) -> _Sizes:
    def of(group: Sequence[int]) -> tuple[int, ...]:
        return tuple(shape[axis] for axis in group)

    window = of(rest_of(axes, len(shape)))
    units = math.prod(of(axes.inputs)), math.prod(of(axes.outputs))
    return _Sizes(of(axes.stack), (*window, *units))


def _order(axes: Axes, ndim: int) -> tuple[int, ...]:
    return (*axes.stack, *rest_of(axes, ndim), *axes.inputs, *axes.outputs)


def _is_canonical(axes: Axes, ndim: int) -> bool:
    one_each = len(axes.inputs) == len(axes.outputs) == 1 and not axes.stack
    return one_each and _order(axes, ndim) == tuple(range(ndim))
