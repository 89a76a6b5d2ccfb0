"""Finds the structure of a network in the program that computes it."""

from collections.abc import Callable
from typing import Any

import jax

from jaxcomp.tracing.network import Network
from jaxcomp.tracing.program import flatten
from jaxcomp.tracing.uses import uses_of
from jaxcomp.trees import path_name

PyTree = Any


def trace(apply: Callable[..., Any], params: PyTree, *inputs: Any, **kwargs: Any) -> Network:
    """Find out what each parameter of a network does, from shapes alone.

    `jax.make_jaxpr` shows every operation of `apply(params, *inputs, **kwargs)` and computes none.
    The operations tell the axes of each weight, how often it is used, which units are coupled, and
    which are dead. This works for every function that JAX can trace: Linen (`model.apply`), NNX
    (`nnx.split` and `nnx.merge`), Equinox (`eqx.partition` and `eqx.combine`), plain dicts.

    Args:
      apply: the network in evaluation mode (without dropout, with running statistics).
      params: its first argument: a tree of arrays or of `jax.ShapeDtypeStruct`.
      *inputs: further arguments, trees of arrays or shapes. One example is enough.
      **kwargs: arguments that are passed on unchanged, such as `train=False`.

    Raises:
      TypeError: if a leaf of `params` is not an array.
      ValueError: if two leaves have the same name, or the program is too long.

    Example:
      >>> import jax.numpy as jnp
      >>> params = {"kernel": jnp.ones((4, 3)), "bias": jnp.ones((1, 3))}
      >>> network = trace(lambda p, x: x @ p["kernel"] + p["bias"], params, jnp.ones((1, 4)))
      >>> network.parameters["kernel"].axes
      Axes(inputs=(0,), outputs=(1,), window=(), stack=())
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    names = [path_name(path) for path, _ in leaves]
    for name, (_, leaf) in zip(names, leaves, strict=True):
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            raise TypeError(
                f"the leaf {name!r} is a {type(leaf).__name__}, not an array: give the arrays "
                "alone, as `eqx.partition(model, eqx.is_array)` or `nnx.split(model)` do, and put "
                "them together again inside `apply`"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two leaves are called {twice[0]!r}: rename one of them")

    def function(params: PyTree, *inputs: Any) -> Any:
        return apply(params, *inputs, **kwargs)

    closed = jax.make_jaxpr(function)(_shapes(params), *_shapes(inputs))
    program = flatten(closed, len(leaves))
    return Network(function, jax.tree.structure(params), names, program, uses_of(program))


def _shapes(tree: PyTree) -> PyTree:
    return jax.tree.map(
        lambda leaf: (
            jax.ShapeDtypeStruct(leaf.shape, _computed(leaf.dtype))
            if hasattr(leaf, "shape") and hasattr(leaf, "dtype")
            else leaf
        ),
        tree,
    )


def _computed(dtype: Any) -> Any:
    """Return the type in which JAX computes with arrays of a type, such as int32 for int64."""
    return jax.dtypes.canonicalize_dtype(dtype, allow_extended_dtype=True)
