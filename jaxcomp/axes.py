"""Says what the axes of a weight mean: input units, output units, a window, or a stack.

Every function that speaks of units takes their axes from here. They come from a traced network, or
from the layout of a framework, which holds for all arrays at once:

* `"flax"`, for Linen and NNX: `[window..., inputs, outputs]`. It is the default.
* `"torch"`, for PyTorch and Equinox: `[outputs, inputs, window...]`.

No layout describes an array that has several output axes (attention), is stacked (scanned layers),
or has the order of its axes reversed (an embedding or a transposed convolution of PyTorch). Trace
the network for these: `network=jaxcomp.trace(apply, params, x)`. Without a trace,
`jax.vmap(tx.init)(params)` and `jax.vmap(tx.update)(updates, state, params)` make a transformation
`tx` treat stacked layers as separate ones, along the first axis of each array.
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

# Knowledge of the axes of an array that a caller can need; each includes those above it.
NOTHING = "nothing"
STACK = "stack"  # the axes that separate tensors, where they are known
UNITS = "units"  # also the axes of output units
KERNEL = "kernel"  # also the axes of input units


class Axes(NamedTuple):
    """Names the axes of one weight by their meaning; each axis is in at most one group.

    * A dense kernel of Flax, [in, out], has `inputs=(0,)` and `outputs=(1,)`.
    * An attention kernel of Flax, [d, heads, features], has `inputs=(0,)` and `outputs=(1, 2)`.
    * A convolution of Equinox, [out, in, height, width], has `outputs=(0,)`, `inputs=(1,)` and
      `window=(2, 3)`.
    * Three scanned dense layers, [3, in, out], have `stack=(0,)`, `inputs=(1,)` and `outputs=(2,)`.

    An axis that is in none of the four groups counts as one of the window.

    Example:
      >>> import jax.numpy as jnp
      >>> kernel = jnp.ones((8, 2, 4))  # of attention, [d, heads, features]
      >>> [w.shape for w in matrices(kernel, Axes(inputs=(0,), outputs=(1, 2)))]
      [(8, 8)]
    """

    inputs: tuple[int, ...]  # these are contracted with the units that come in
    outputs: tuple[int, ...]  # these are the units that go out
    window: tuple[int, ...] = ()  # these are places of a convolution
    stack: tuple[int, ...] = ()  # these count separate tensors in one array


def check_source(network: Network | None, layout: Layout | None) -> None:
    """Raise an error unless at most one of `network` and `layout` is given, and is valid."""
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
      needs: the axes that have to be known: `NOTHING`, `STACK`, `UNITS` or `KERNEL`.
      network: the result of `jaxcomp.trace`; leaves are found by name, so the tree may be wrapped.
      layout: one of `LAYOUTS`; `"flax"` where neither is given.

    Returns:
      A list with None for each leaf that the mask does not select. It is also None for a leaf whose
      axes are unknown, if no more than its stack is needed; such a leaf is one tensor.

    Raises:
      ValueError: if both `network` and `layout` are given. Where more than the stack is needed,
        also if neither is given and the tree holds a module of Equinox, if an array has too few
        axes, or if the network does not understand a selected leaf.

    Example:
      >>> import numpy as np
      >>> params = {"kernel": np.ones((2, 3)), "bias": np.ones(3)}
      >>> leaf_axes(params, None, UNITS, layout="torch")  # bias, then kernel
      [None, Axes(inputs=(1,), outputs=(0,), window=(), stack=())]
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
    """Return the axes of the leaves that `jaxcomp.trees.select` returns; see `leaf_axes`."""
    axes = leaf_axes(params, mask, needs, network=network, layout=layout)
    chosen = jax.tree.leaves(resolve_mask(mask, params))
    return [own for own, selected in zip(axes, chosen, strict=True) if selected]


def of_layout(layout: Layout | None, ndim: int) -> Axes:
    """Return the axes of an array in the layout of a framework; a single axis is that of outputs.

    Args:
      layout: one of `LAYOUTS`; None for `"flax"`.
      ndim: number of axes of the array.

    Raises:
      ValueError: if the layout is unknown.

    Example:
      >>> of_layout("torch", 4)
      Axes(inputs=(1,), outputs=(0,), window=(2, 3), stack=())
    """
    layout = "flax" if layout is None else layout
    check_choice("layout", layout, LAYOUTS)
    if ndim < 2:
        return Axes((), tuple(range(ndim)))
    if layout == "torch":
        return Axes((1,), (0,), tuple(range(2, ndim)))
    return Axes((ndim - 2,), (ndim - 1,), tuple(range(ndim - 2)))


def own_axes(name: str, ndim: int, axes: Axes | None, layout: Layout | None) -> Axes:
    """Return the axes of one array, from `axes` or `layout`, whichever the user gives.

    Args:
      name: name of the array in errors.
      ndim: number of axes of the array.
      axes: the axes, or None.
      layout: one of `LAYOUTS`, or None.

    Raises:
      ValueError: if both are given, or the axes are not those of an array with `ndim` axes.
      TypeError: if `axes` is not an `Axes`.

    Example:
      >>> own_axes("kernel", 3, None, "flax")
      Axes(inputs=(1,), outputs=(2,), window=(0,), stack=())
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
    """Return the axes that belong neither to units nor to a stack: the window and unknown ones.

    Example:
      >>> rest_of(of_layout("flax", 4), 4)
      (0, 1)
    """
    return tuple(a for a in range(ndim) if a not in (*axes.stack, *axes.inputs, *axes.outputs))


def all_but(kept: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return the axes that are not in `kept`, in order.

    Example:
      >>> all_but((1,), 3)
      (0, 2)
    """
    return tuple(axis for axis in range(ndim) if axis not in kept)


def matrices(w: jax.Array, axes: Axes | None) -> list[jax.Array]:
    """Return the separate tensors [window..., inputs, outputs] that an array holds.

    Several axes of inputs, or of outputs, become one. An array whose axes are unknown, or already
    have this order, is returned as it is. `from_matrices` is the inverse.

    Example:
      >>> import jax.numpy as jnp
      >>> stacked = jnp.ones((3, 5, 4))  # three layers of Equinox, [stack, outputs, inputs]
      >>> [w.shape for w in matrices(stacked, Axes(inputs=(2,), outputs=(1,), stack=(0,)))]
      [(4, 5), (4, 5), (4, 5)]
    """
    if axes is None or _is_canonical(axes, w.ndim):
        return [w]
    sizes = _sizes(w.shape, axes)
    moved = jnp.transpose(w, _order(axes, w.ndim)).reshape(math.prod(sizes.stack), *sizes.tensor)
    return list(moved)


def from_matrices(
    parts: Sequence[jax.Array], shape: tuple[int, ...], axes: Axes | None
) -> jax.Array:
    """Return the array of this shape whose separate tensors are `parts`: the inverse of `matrices`.

    Example:
      >>> import jax.numpy as jnp
      >>> from_matrices([jnp.ones((4, 5))] * 3, (3, 5, 4), Axes((2,), (1,), stack=(0,))).shape
      (3, 5, 4)
    """
    if axes is None or _is_canonical(axes, len(shape)):
        return parts[0]
    order = _order(axes, len(shape))
    moved = jnp.stack(parts).reshape([shape[axis] for axis in order])
    return jnp.transpose(moved, [order.index(axis) for axis in range(len(shape))])


def over_axes(function: Callable[[jax.Array], jax.Array], axes: Sequence[int]) -> Callable:
    """Return a function that applies `function` to each slice of an array along some axes.

    In its result these axes come last, in ascending order, after the axes that `function` returns.

    Example:
      >>> import jax.numpy as jnp
      >>> over_axes(jnp.sum, [1])(jnp.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
      [4.0, 6.0]
    """
    for axis in sorted(axes):  # the last map takes the whole array
        function = jax.vmap(function, in_axes=axis, out_axes=-1)
    return function


def beside(values: jax.Array, ndim: int, axes: Sequence[int]) -> jax.Array:
    """Return values of slices in a shape that broadcasts to that of the array.

    Args:
      values: `[..., *slices]`, as `over_axes` returns them.
      ndim: number of axes of the array.
      axes: the axes along which the slices lie.

    Returns:
      `[..., *sizes]` with `ndim` sizes, which are 1 except along the slices.

    Example:
      >>> import jax.numpy as jnp
      >>> beside(jnp.ones(5), 3, [1]).shape
      (1, 5, 1)
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
        KERNEL: axes is not None and bool(axes.inputs),  # a bias has none
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
    equinox = sys.modules.get("equinox")  # without an import of it there are no modules of it
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
