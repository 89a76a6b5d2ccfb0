"""Trees of arrays of any framework in `.jxc` files.

Files hold nested dicts. What is a list, a tuple, a module or a state is one of dicts there, whose
names are keys, positions and attributes.
"""

import os
from collections.abc import Collection, Mapping
from typing import Any, TypeVar, overload

from jaxcomp import codec
from jaxcomp.codec import Limits
from jaxcomp.codec.names import EMPTY, NestedDict, Unflattened, flatten

# jax is imported where a tree has other nodes than dicts: files can be read without it.

PyTree = Any
Tree = TypeVar("Tree")


def save(path: str | os.PathLike, tree: PyTree) -> int:
    """Write a tree of arrays to a `.jxc` file: exactly what it is given, smaller.

    Arrays of at most 256 different values (ternary weights, small codebooks) are stored as
    entropy-coded levels with a codebook; those that are so in each slice along the last axis
    (ternary output units) with a step for each; zeros of others as a pattern. Nothing is rounded:
    0.0 and -0.0, which a mask that is multiplied makes of negative weights, are two values, and
    cost as much; `jnp.where(w == 0, 0, w)` leaves the one.
    Arrays that are the same are stored once.
    The file appears whole or not at all: it is written beside its place, then moved there.

    Args:
      path: where to write; an existing file is replaced, and its permissions stay. So does a link:
        the file that it points to is replaced.
      tree: leaves are numpy or jax arrays of a boolean, integer or real floating-point type
        (those of ml_dtypes, such as bfloat16 and int4, included). Names in dicts are str or int.

    Returns:
      The size of the file in bytes.

    Raises:
      TypeError: if a node, a name or an array's type cannot be stored; the message names it.
      ValueError: if an array, a name or the nesting is beyond the limits of the format, or two
        leaves have one name.
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
    """Read a `.jxc` file: a nested dict of numpy arrays with their names, shapes and types.

    Args:
      path: the file.
      like: a tree whose structure is wanted in place of nested dicts, such as the module that was
        stored, with the arrays of the file in place of its own. Leaves that are no arrays, such as
        activation functions, are taken from it. Types are those of the file.
      only: names of the arrays that are wanted, and of dicts of which all is, parts joined by `/`;
        of a large file no more is read than they need. None for all.
      threads: how many work at the same time; None for as many as there are cores. Without numba
        (the extra `fast`), more than one help little.
      limits: of memory and time; by default they are in proportion to the size of the file. They
        are counted as for one thread.

    Raises:
      FormatError: if the file is not a whole, untouched `.jxc` file, or is beyond the limits.
      ValueError: if arrays of the file and of `like` have other names or shapes, a name of `only`
        is not in it, or `threads` is not positive.
      ImportError: if it holds arrays of types that numpy lacks, and ml_dtypes is not installed.
      OSError: if it cannot be read.
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
    """Tell whether all nodes are dicts; what is no node and no array is for the codec to refuse."""
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
