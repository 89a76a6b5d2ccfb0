"""Names the leaves of parameter trees, and selects those that are weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.text_table import text_table
from jaxcomp.weights import Choice, Network, are_weights, choices

PyTree = Any
Mask = PyTree | Callable[[PyTree], PyTree]


def path_name(path: tuple[Any, ...]) -> str:
    """Return the name of a leaf, such as `Dense_0/kernel`, from its key path.

    Flax NNX wraps a leaf in a variable when an optimizer is initialized but not when it is updated.
    The trailing `value` of the wrapper is left out, so that both have the same name.

    Example:
      >>> import jax
      >>> ((path, _),) = jax.tree_util.tree_leaves_with_path({"Dense_0": {"kernel": 1.0}})
      >>> path_name(path)
      'Dense_0/kernel'
    """
    if path and isinstance(path[-1], jax.tree_util.GetAttrKey) and path[-1].name == "value":
        path = path[:-1]
    return jax.tree_util.keystr(path, simple=True, separator="/")


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """Return the leaves of `tree` by name, in tree order.

    Example:
      >>> named_leaves({"Dense_0": {"kernel": 1.0, "bias": 2.0}})
      {'Dense_0/bias': 2.0, 'Dense_0/kernel': 1.0}
    """
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def replace_leaves(tree: PyTree, named: Mapping[str, Any]) -> PyTree:
    """Return the tree with its leaves replaced by those of `named`, such as the arrays of a file.

    Args:
      tree: tree of arrays of any framework.
      named: one array for each leaf, under the names that `named_leaves` gives.

    Raises:
      ValueError: if a name is missing or superfluous, or a shape differs.

    Example:
      >>> import numpy as np
      >>> replace_leaves([np.zeros(2), np.zeros(1)], {"1": np.ones(1), "0": np.ones(2)})
      [array([1., 1.]), array([1.])]
    """
    own = named_leaves(tree)
    for name in own:
        if name not in named:
            raise ValueError(f"there is no {name!r} among {sorted(named)}")
        if np.shape(named[name]) != np.shape(own[name]):
            raise ValueError(
                f"{name!r} has shape {np.shape(named[name])}, and {np.shape(own[name])} in the tree"
            )
    if more := sorted(set(named) - set(own)):
        raise ValueError(f"the tree has no leaf {more[0]!r}, only {sorted(own)}")
    return jax.tree_util.tree_map_with_path(lambda path, _: named[path_name(path)], tree)


@dataclass(frozen=True)
class MaskTable:
    """Lists which leaves of a tree `weight_mask` selects; printed, it is a table."""

    choices: tuple[Choice, ...]

    def __str__(self) -> str:
        rows = [("leaf", "shape", "weights", "why")]
        for name, shape, is_weight, why in self.choices:
            rows.append((name, "x".join(map(str, shape)) or "-", "yes" if is_weight else "no", why))
        return text_table(rows)


def weight_mask(params: PyTree, *, network: Network | None = None) -> PyTree:
    """Select the leaves to penalize, prune and quantize by default: weights, and nothing else.

    Weights have a floating-point type. With a network, weights are the leaves that it uses in a
    dense layer, a convolution or an embedding. Without a network, they are the leaves with two or
    more axes, except leaves that are called `bias` or `scale` (in attention and stacked layers
    these have two axes) and leaves that are trained beside a tensor. `describe_mask` shows the
    choice and the reasons. A matrix that is left out because of its name can be included by a mask,
    or by a network.

    Args:
      params: tree of arrays or of `jax.ShapeDtypeStruct`.
      network: the result of `jaxcomp.trace`.

    Returns:
      A tree of the same structure with a Python bool for each leaf.

    Raises:
      TypeError: if a leaf is not an array, or `network` is not a network.
      ValueError: if the network does not know a leaf.

    Example:
      >>> import numpy as np
      >>> weight_mask({"kernel": np.ones((2, 3)), "bias": np.ones(3)})
      {'bias': False, 'kernel': True}
    """
    structure = jax.tree.structure(params)
    return jax.tree.unflatten(structure, are_weights(_named_arrays(params), network))


def describe_mask(params: PyTree, *, network: Network | None = None) -> MaskTable:
    """Show for every leaf whether `weight_mask` selects it, and why.

    Arguments and errors are those of `weight_mask`.

    Returns:
      A `MaskTable`, to be printed.

    Example:
      >>> import jax.numpy as jnp
      >>> print(describe_mask({"kernel": jnp.ones((2, 3)), "scale": jnp.ones((3, 3))}))
      leaf    shape  weights  why
      kernel  2x3    yes      it has 2 axes, and its name is not one of bias, scale
      scale   3x3    no       its name alone, 'scale'; a mask or a network can include it
    """
    return MaskTable(tuple(choices(_named_arrays(params), network)))


def mask_or_weights(mask: Mask | None, network: Network | None) -> Mask:
    """Return the mask or, where there is none, a function that selects the weights."""
    return (lambda params: weight_mask(params, network=network)) if mask is None else mask


def resolve_mask(mask: Mask | None, params: PyTree) -> PyTree:
    """Return a bool for each leaf, from any form in which a user may select leaves.

    Args:
      mask: None for `weight_mask`, a function from `params` to a mask, or a tree of bools that has
        the structure of `params` or of a prefix of it.
      params: tree of arrays.

    Returns:
      A tree with the structure of `params` and the mask's bool for each of its leaves.

    Raises:
      ValueError: if the mask's structure is neither that of `params` nor of a prefix of it.
      TypeError: if a leaf of the mask is not a bool.

    Example:
      >>> import numpy as np
      >>> params = {"layer": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}, "out": np.ones(3)}
      >>> resolve_mask({"layer": True, "out": False}, params)
      {'layer': {'bias': True, 'kernel': True}, 'out': False}
    """
    full = _extended(weight_mask if mask is None else mask, params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(full):
        if not (isinstance(leaf, bool | np.bool_) or _is_bool_array(leaf, ())):
            raise TypeError(
                f"the mask of {path_name(path)!r} must be one bool for the whole leaf, "
                f"got {_described(leaf)}"
            )
    return full


def resolve_entries(keep: Mask, params: PyTree) -> PyTree:
    """Return bools for the entries of each leaf, from any form in which a user may give them.

    Args:
      keep: tree of bool arrays, each of the shape of its parameter or a scalar for all of it, with
        the structure of `params` or of a prefix of it; or a function from `params` to such a tree.
      params: tree of arrays.

    Returns:
      A tree with the structure of `params`, and for each of its leaves a bool array of its shape or
      of shape ().

    Raises:
      ValueError: if the structure or a shape does not fit.
      TypeError: if a leaf of `keep` is not boolean, or a leaf of `params` is not an array of
        numbers.

    Example:
      >>> import numpy as np
      >>> params = {"kernel": np.array([[3.0, 0.0]]), "bias": np.ones(2)}
      >>> resolve_entries(lambda p: {"kernel": p["kernel"] != 0, "bias": True}, params)
      {'bias': True, 'kernel': array([[ True, False]])}
    """

    def checked(path: tuple[Any, ...], own: Any, param: Any) -> Any:
        name, dtype = path_name(path), getattr(param, "dtype", None)
        if dtype is None or not jnp.issubdtype(dtype, jnp.number):
            raise TypeError(
                f"{name!r} is {_described(param)}, not an array of numbers: give the arrays alone, "
                "such as `eqx.filter(model, eqx.is_inexact_array)`"
            )
        if isinstance(own, bool | np.bool_) or _is_bool_array(own, (), param.shape):
            return own
        if not _is_bool_array(own, getattr(own, "shape", ())):
            raise TypeError(
                f"the mask of {name!r} must be boolean, got {_described(own)}: use `mask != 0`"
            )
        raise ValueError(
            f"the mask of {name!r} has shape {own.shape}, its parameter has shape "
            f"{param.shape}: give one bool for each entry, or a single bool"
        )

    return jax.tree_util.tree_map_with_path(checked, _extended(keep, params), params)


def select(params: PyTree, mask: Mask | None) -> list[jax.Array]:
    """Return the leaves of `params` that `mask` (see `resolve_mask`) selects, in tree order.

    Raises:
      ValueError: if the mask selects nothing, since a penalty or a pruning of nothing is a mistake.

    Example:
      >>> import numpy as np
      >>> [leaf.shape for leaf in select({"kernel": np.ones((2, 3)), "bias": np.ones(3)}, None)]
      [(2, 3)]
    """
    full = check_selects(params, resolve_mask(mask, params))
    return [leaf for _, leaf in named_selection(params, full)]


def named_selection(params: PyTree, mask: Mask | None) -> list[tuple[str, Any]]:
    """Return the leaves of `select`, each with its name; none if the mask selects nothing."""
    chosen = jax.tree.leaves(resolve_mask(mask, params))
    # `named_leaves` would lose one of two leaves with one name, as in {"a/b": x, "a": {"b": y}}.
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [
        (path_name(path), leaf)
        for (path, leaf), selected in zip(leaves, chosen, strict=True)
        if selected
    ]


def check_selects(params: PyTree, full: PyTree) -> PyTree:
    """Return the full mask; raise a ValueError that names all leaves if it selects none."""
    if not any(jax.tree.leaves(full)):
        raise ValueError(
            f"the mask selects none of the leaves {list(named_leaves(params))}; "
            "give a mask that is True for at least one of them"
        )
    return full


def check_floating(params: PyTree, use: str, mask: Mask = True) -> None:
    """Raise a TypeError that names a selected leaf unless all have a real floating-point type.

    Args:
      params: tree of arrays.
      use: the caller, as in "ternarize".
      mask: the leaves to look at (see `resolve_mask`); all by default.
    """
    for name, leaf in named_selection(params, mask):
        if not jnp.issubdtype(getattr(leaf, "dtype", type(leaf)), jnp.floating):
            raise TypeError(
                f"{use} takes real floating-point weights, but {name!r} is "
                f"{_described(leaf)}: leave it out with a mask"
            )


def check_finite(params: PyTree, use: str, mask: Mask = True) -> None:
    """Raise a ValueError that names a selected leaf which holds NaN or an infinity.

    Arguments are those of `check_floating`. Leaves that are traced have no values yet, and are
    skipped.
    """
    for name, leaf in named_selection(params, mask):
        if isinstance(leaf, jax.core.Tracer):
            continue
        finite = jnp.isfinite(leaf)
        if not finite.all():
            bad = leaf.size - int(finite.sum())
            raise ValueError(
                f"{use} takes finite weights, but {bad:,} of the {leaf.size:,} entries of {name!r} "
                "are NaN or infinite: look where training diverged, or leave it out with a mask"
            )


def _named_arrays(params: PyTree) -> list[tuple[str, Any]]:
    """Return all leaves with their names, as pairs, since two leaves may have one name."""
    leaves = [(path_name(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)]
    for name, leaf in leaves:
        if not (hasattr(leaf, "dtype") and hasattr(leaf, "shape")):
            raise TypeError(
                f"the leaf {name!r} is a {type(leaf).__name__}, not an array: give the "
                "arrays alone, such as `eqx.filter(model, eqx.is_inexact_array)`"
            )
    return leaves


def _described(leaf: Any) -> str:
    if hasattr(leaf, "dtype") and hasattr(leaf, "shape"):
        return f"an array of type {leaf.dtype} and shape {leaf.shape}"
    return f"a {type(leaf).__name__}"


def _extended(mask: Mask, params: PyTree) -> PyTree:
    """Return the mask, or the mask that it makes of the parameters, with one leaf per parameter."""
    if _is_function(mask):
        mask = mask(params)
    try:
        return jax.tree.map(lambda m, part: jax.tree.map(lambda _: m, part), mask, params)
    except ValueError as error:
        raise ValueError(
            "the mask must have the tree structure of the parameters, or of a prefix of it: got "
            f"{jax.tree.structure(mask)} for {jax.tree.structure(params)}; a function such as "
            "`lambda params: jax.tree.map(lambda p: p.ndim > 1, params)` always fits"
        ) from error


def _is_bool_array(leaf: Any, *shapes: tuple[int, ...]) -> bool:
    return getattr(leaf, "dtype", None) == jnp.bool_ and leaf.shape in shapes


def _is_function(mask: Mask) -> bool:
    # `callable(mask)` is not enough: an Equinox module of bools is callable, but is a tree.
    leaves = jax.tree.leaves(mask)
    return bool(leaves) and all(callable(leaf) for leaf in leaves)
