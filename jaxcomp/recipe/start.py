"""Checks what a run is given, before its first step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcomp.trees import path_name

PyTree = Any


def check_start(params: PyTree, key: Any, optimizer: Any) -> None:
    """Raise an error unless training can start from these arguments of `Recipe.run`.

    Raises:
      TypeError: if a leaf of `params` is not an array of floating-point numbers, `key` is not a
        random key, or `optimizer` is not a function of a learning rate.
      ValueError: if `params` has no leaves.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError(
            f"params has no arrays, got {params!r}: give the parameters of the network"
        )
    for path, leaf in leaves:
        is_array = hasattr(leaf, "shape") and hasattr(leaf, "dtype")
        if not is_array or not jnp.issubdtype(leaf.dtype, jnp.inexact):
            what = f"of type {leaf.dtype}" if is_array else f"a {type(leaf).__name__}"
            raise TypeError(
                f"the leaf {path_name(path)!r} of params is {what}, and training changes "
                "floating-point arrays: give these alone, as `eqx.partition(model, "
                "eqx.is_inexact_array)` or `nnx.split(model, nnx.Param, ...)` do"
            )
    is_array = isinstance(key, jax.Array | np.ndarray)
    if not (is_array and (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or key.dtype == "uint32")):
        raise TypeError(f"key must be a random key, such as jax.random.key(0), got {key!r}")
    if isinstance(optimizer, optax.GradientTransformation) or not callable(optimizer):
        raise TypeError(
            "optimizer must be a function of the learning rate, such as optax.adam without "
            f"parentheses, got {optimizer!r}"
        )


def check_loss(value: Any, has_state: bool) -> None:
    """Raise a TypeError unless a loss has returned one number, and a new model state, if any."""
    if has_state:
        if not (isinstance(value, tuple) and len(value) == 2):
            raise TypeError(
                f"with a model state, loss must return the loss and the new state, got {_of(value)}"
            )
        value = value[0]
    if not (hasattr(value, "shape") and value.shape == ()):
        raise TypeError(
            f"loss must return one number, the mean loss of the batch, got {_of(value)}"
        )


@contextmanager
def telling(call: str, batch: Any) -> Iterator[None]:
    """Note, with an error from a function of the user, how it was called and on which batch."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was the call {call} with a batch of {_of(batch)}.")
        raise


def check_validation(
    evaluate: Callable[..., jax.Array], params: PyTree, model_state: PyTree, batches: list[Any]
) -> None:
    """Trace the loss on the first held-out batch, so that a mistake is found before training."""
    state = () if model_state is None else (model_state,)
    call = "of the validation loss (validation= takes a list of batches, each as the loss takes it)"
    with telling(call, batches[0]):
        found = jax.eval_shape(evaluate, params, *state, batches[0])
        check_loss(found, has_state=False)


def _of(value: Any) -> str:
    """Return the shapes of the arrays of a tree, and what else it holds."""
    shown = jax.tree.map(_shown, value, is_leaf=lambda leaf: leaf is None)
    return shown if isinstance(shown, str) else repr(shown).replace("'", "")


def _shown(leaf: Any) -> str:
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
    return f"a {type(leaf).__name__}"
