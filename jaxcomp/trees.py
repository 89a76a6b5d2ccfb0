"""Parameter trees: the names of their leaves, and which leaves are weights."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any
Mask = PyTree | Callable[[PyTree], PyTree]

# Also what is trained beside a tensor: its levels, the gates of its weights.
NOT_WEIGHTS = ("bias", "scale", "levels", "log_alpha")
# In the names of what turns the integers beside it into weights.
_OF_INTEGERS = ("scale", "zero_point", "zeros", "absmax")


def path_name(path: tuple[Any, ...]) -> str:
    """The name of a leaf, such as `Dense_0/kernel`, from its key path.

    Flax NNX wraps a leaf in a variable when an optimizer is initialised but not when it is updated;
    the trailing `value` of the wrapper is left out, so that both have the same name.
    """
    if path and isinstance(path[-1], jax.tree_util.GetAttrKey) and path[-1].name == "value":
        path = path[:-1]
    return jax.tree_util.keystr(path, simple=True, separator="/")


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """The leaves of `tree` by name, in tree order."""
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def replace_leaves(tree: PyTree, named: Mapping[str, Any]) -> PyTree:
    """Return the tree with the leaves of `named` in place of its own: the way back from a file.

    Args:
      tree: tree of arrays of any framework.
      named: one array for each leaf, by the names that `named_leaves` gives.

    Raises:
      ValueError: if a name is missing or too many, or a shape differs.

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


def are_weights(leaves: Sequence[tuple[str, Any]]) -> list[bool]:
    """Tell of each named leaf whether it is weights: the one rule for training and for files.

    A leaf counts as weights if it is of floating-point type, has two or more axes, does not scale
    integers (see `scale_integers`), and the last part of its name is none of `NOT_WEIGHTS`.

    Args:
      leaves: names, with parts divided by `/` or `.`, and what has a `shape` and a `dtype`.
    """
    return [
        jnp.issubdtype(leaf.dtype, jnp.floating)
        and len(leaf.shape) >= 2
        and _parent_and_last(name)[1] not in NOT_WEIGHTS
        and not scales
        for (name, leaf), scales in zip(leaves, scale_integers(leaves), strict=True)
    ]


def scale_integers(leaves: Sequence[tuple[str, Any]]) -> list[bool]:
    """Tell of each named leaf whether it scales the integers of a quantized tensor beside it.

    It is of floating-point type, in the same dict as an array of integers of two axes or more, or
    below its name, and either its name says so (`w_scale`, `absmax`), or its shape does: that of
    the integers with some axes of size 1.

    Args:
      leaves: as for `are_weights`.
    """
    integers: dict[str, set[tuple[int, ...]]] = {}
    for name, leaf in leaves:
        # Indices are of 64 bits, weights never.
        is_integer = jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.dtype.itemsize < 8
        if is_integer and len(leaf.shape) >= 2:
            for place in (_parent_and_last(name)[0], name):
                integers.setdefault(place, set()).add(tuple(leaf.shape))

    def scales(name: str, leaf: Any) -> bool:
        parent, last = _parent_and_last(name)
        if parent not in integers or not jnp.issubdtype(leaf.dtype, jnp.floating):
            return False
        if any(word in last.lower() for word in _OF_INTEGERS):
            return True
        shape = tuple(leaf.shape)
        return 1 in shape and any(
            len(whole) == len(shape)
            and whole != shape
            and all(size in (1, full) for size, full in zip(shape, whole, strict=True))
            for whole in integers[parent]
        )

    return [scales(name, leaf) for name, leaf in leaves]


def weight_mask(params: PyTree) -> PyTree:
    """The default choice of what is penalised, pruned and quantised: weights, and nothing else.

    A leaf counts as weights by the rule of `are_weights`: it is of floating-point type, has two or
    more axes, and is not called by one of `NOT_WEIGHTS`. So biases, normalisation parameters and
    scalars are left alone, a bias with several axes (attention heads) too.

    Args:
      params: tree of arrays or of `jax.ShapeDtypeStruct`.

    Returns:
      A tree of the same structure with a Python bool for each leaf.

    Raises:
      TypeError: if a leaf is not an array.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    for path, leaf in leaves:
        if not (hasattr(leaf, "dtype") and hasattr(leaf, "shape")):
            raise TypeError(
                f"the leaf {path_name(path)!r} is a {type(leaf).__name__}, not an array: give the "
                "arrays alone, such as `eqx.filter(model, eqx.is_inexact_array)`"
            )
    return structure.unflatten(are_weights([(path_name(path), leaf) for path, leaf in leaves]))


def resolve_mask(mask: Mask | None, params: PyTree) -> PyTree:
    """A bool for each leaf, from any of the forms in which a user may say which leaves are meant.

    Args:
      mask: None for `weight_mask`, a function from `params` to a mask, or a tree of bools that has
        the structure of `params` or of a prefix of it.
      params: tree of arrays.

    Returns:
      A tree with the structure of `params` and the mask's bool for each of its leaves.

    Raises:
      ValueError: if the mask's structure is not that of `params` nor of a prefix of it.
      TypeError: if a leaf of the mask is not a bool.
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
    """Bools for the entries of each leaf, from any of the forms in which a user may give them.

    Args:
      keep: tree of bool arrays, each of the shape of its parameter or a scalar for all of it, with
        the structure of `params` or of a prefix of it; or a function from `params` to such a tree.
      params: tree of arrays.

    Returns:
      A tree with the structure of `params`, and for each of its leaves a bool array of its shape
      or of shape ().

    Raises:
      ValueError: if the structure or a shape does not fit.
      TypeError: if a leaf of `keep` is not boolean, or a leaf of `params` is no array of numbers.
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
    """The leaves of `params` that `mask` (see `resolve_mask`) selects, in tree order.

    Raises:
      ValueError: if the mask selects nothing, since a penalty or a pruning of nothing is a mistake.
    """
    full = check_selects(params, resolve_mask(mask, params))
    return [leaf for _, leaf in named_selection(params, full)]


def named_selection(params: PyTree, mask: Mask | None) -> list[tuple[str, Any]]:
    """The leaves that `select` gives, each with its name; none if the mask selects nothing."""
    chosen = jax.tree.leaves(resolve_mask(mask, params))
    # Not `named_leaves`: two leaves may have one name, as those of {"a/b": x, "a": {"b": y}}.
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [
        (path_name(path), leaf)
        for (path, leaf), selected in zip(leaves, chosen, strict=True)
        if selected
    ]


def check_selects(params: PyTree, full: PyTree) -> PyTree:
    """The full mask; raises a ValueError that names all leaves if it selects none of them."""
    if not any(jax.tree.leaves(full)):
        raise ValueError(
            f"the mask selects none of the leaves {list(named_leaves(params))}; "
            "give a mask that is True for at least one of them"
        )
    return full


def check_floating(params: PyTree, use: str, mask: Mask = True) -> None:
    """Raise a TypeError that names a selected leaf which is not of a real floating-point type.

    Args:
      params: tree of arrays.
      use: who asks, as in "ternarize".
      mask: which leaves are looked at (see `resolve_mask`); all by default.
    """
    for name, leaf in named_selection(params, mask):
        if not jnp.issubdtype(getattr(leaf, "dtype", type(leaf)), jnp.floating):
            raise TypeError(
                f"{use} takes real floating-point weights, but {name!r} is "
                f"{_described(leaf)}: leave it out with a mask"
            )


def check_finite(params: PyTree, use: str, mask: Mask = True) -> None:
    """Raise a ValueError that names a selected leaf which holds NaN or an infinity.

    Arguments as in `check_floating`. Leaves that are traced have no values yet, and are left alone.
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


def _described(leaf: Any) -> str:
    if hasattr(leaf, "dtype") and hasattr(leaf, "shape"):
        return f"an array of type {leaf.dtype} and shape {leaf.shape}"
    return f"a {type(leaf).__name__}"


def _extended(mask: Mask, params: PyTree) -> PyTree:
    """The mask, or what it makes of the parameters, with its leaf for each leaf of theirs."""
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
    # Not `callable(mask)`: a mask that is an Equinox module is callable, and is a tree of bools.
    leaves = jax.tree.leaves(mask)
    return bool(leaves) and all(callable(leaf) for leaf in leaves)


def _parent_and_last(name: str) -> tuple[str, str]:
    """The name of the dict that a leaf is in, and the last part of its own."""
    *parent, last = re.split(r"[/.](?=[^/.]*$)", name)
    return "".join(parent), last
