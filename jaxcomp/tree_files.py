"""Stores trees of arrays of any framework in `.jxc` files.

Files hold nested dicts. A list, a tuple, a module or a state becomes a dict in the file, whose
names are keys, positions and attributes.
"""

import os
from collections.abc import Collection, Mapping
from typing import Any, TypeVar, overload

from jaxcomp import codec
from jaxcomp.codec import Limits
from jaxcomp.codec.names import EMPTY, NestedDict, Unflattened, flatten

# jax is imported only for a tree with nodes other than dicts: files can be read without it.

PyTree = Any
Tree = TypeVar("Tree")


def save(path: str | os.PathLike, tree: PyTree) -> int:
    """Write a tree of arrays to a `.jxc` file, exactly, and return its size in bytes.

    Nothing is rounded. These arrays take few bytes:

    * arrays of at most 256 values (ternary weights, small codebooks), as entropy-coded levels with
      a codebook;
    * arrays with few magnitudes in each slice along the last axis (ternary output units), as levels
      with a step for each slice;
    * arrays with many zeros, as a pattern of zeros and the other values;
    * equal arrays, which are stored once.

    0.0 and -0.0 are two values, and cost as much as any two. Multiplying negative weights by a mask
    makes -0.0; `jnp.where(w == 0, 0, w)` removes it.

    The file appears whole or not at all: it is written beside its place, then moved there.

    Args:
      path: where to write; an existing file is replaced, and its permissions stay. A link stays
        too: the file that it points to is replaced.
      tree: tree of NumPy or jax arrays of a boolean, integer or real floating-point type
        (those of ml_dtypes, such as bfloat16 and int4, included). Names in dicts are str or int.

    Returns:
      The size of the file in bytes.

    Raises:
      TypeError: if a node, a name or an array's type cannot be stored; the message names it.
      ValueError: if an array, a name or the nesting exceeds the limits of the format, or two leaves
        have the same name.
      OSError: if the file cannot be written; an existing one is then untouched.

    Example:
      >>> import numpy as np, tempfile
      >>> tree = [np.zeros(1000), (np.ones(3), None)]
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = save(f"{folder}/tree.jxc", tree)
      ...     load(f"{folder}/tree.jxc", like=tree)[1]
      (array([1., 1., 1.]), None)
    """
    return codec.save(path, tree if _is_nested_dict(tree) else _as_nested_dict(tree))


@overload
def load(
    path: str | os.PathLike,
    *,
    like: None = None,
    only: Collection[str] | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
) -> NestedDict: ...


@overload
def load(
    path: str | os.PathLike,
    *,
    like: Tree,
    only: Collection[str] | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
) -> Tree: ...


def load(
    path: str | os.PathLike,
    *,
    like: PyTree | None = None,
    only: Collection[str] | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
) -> PyTree:
    """Read a `.jxc` file into a nested dict of NumPy arrays with their names, shapes and types.

    Args:
      path: the file.
      like: a tree whose structure is wanted in place of nested dicts, such as the module that was
        stored. Its arrays are replaced by those of the file, with the types of the file; its other
        leaves, such as activation functions, are kept.
      only: names of the arrays that are wanted, or of dicts that hold them, with parts joined by
        `/`; a large file is read no further than these need. None for all.
      threads: number of threads; None for as many as there are cores. Without numba (the extra
        `fast`), more than one help little.
      limits: limits of memory and time; by default they are in proportion to the size of the file.
        They are counted as for one thread.

    Raises:
      FormatError: if the file is not a whole, untouched `.jxc` file, or exceeds the limits.
      ValueError: if the arrays of the file and of `like` differ in names or shapes, if a name in
        `only` is not in the file, or if `threads` is not positive.
      ImportError: if the file holds types that NumPy lacks, and ml_dtypes is not installed.
      OSError: if it cannot be read.

    Example:
      >>> import numpy as np, tempfile
      >>> import jaxcomp
      >>> tree = {"layer": {"kernel": np.eye(2), "bias": np.zeros(2)}}
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     size = jaxcomp.save(f"{folder}/model.jxc", tree)
      ...     jaxcomp.load(f"{folder}/model.jxc", only=["layer/bias"])
      {'layer': {'bias': array([0., 0.])}}
    """
    nested = codec.load(path, only=only, threads=threads, limits=limits)
    if like is None:
        return nested
    import jax

    from jaxcomp.trees import replace_leaves

    named = {
        "/".join(map(str, names)): leaf for names, leaf in flatten(nested) if leaf is not EMPTY
    }
    arrays = jax.tree.map(lambda leaf: leaf if _is_array(leaf) else None, like)
    found = iter(jax.tree.leaves(replace_leaves(arrays, named)))
    return jax.tree.map(lambda leaf: next(found) if _is_array(leaf) else leaf, like)


def _is_nested_dict(tree: PyTree) -> bool:
    """Tell whether all nodes are dicts; the codec refuses leaves that are not arrays."""
    if isinstance(tree, Mapping):
        return all(map(_is_nested_dict, tree.values()))
    return _is_array(tree)


def _as_nested_dict(tree: PyTree) -> NestedDict:
    import jax

    from jaxcomp.trees import path_name

    nested = Unflattened()
    if tree is None or jax.tree_util.all_leaves([tree]):
        raise TypeError(f"a tree of arrays is wanted, got a {type(tree).__name__}")
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not _is_array(leaf):
            raise TypeError(
                f"{path_name(path)!r} is a {type(leaf).__name__}, and no array: store the arrays, "
                "as equinox.filter(model, equinox.is_array) has them, and give `load` the rest by "
                "`like`"
            )
        nested.add(tuple(path_name(path).split("/")), leaf)
    return nested.root


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")
