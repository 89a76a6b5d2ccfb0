"""Keeps pruned weights at exact zero, whatever the rest of the optimizer does."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcomp.transforms.updates import check_params, map_updates, transformation, wider_dtype
from jaxcomp.trees import Mask, PyTree, resolve_entries


class KeepMaskedState(NamedTuple):
    """Holds the mask of `keep_masked`, which is checkpointed and sharded like the weights."""

    mask: PyTree  # bool arrays: the shape of their parameter, or shape=() for all of it


def keep_masked(keep: Mask) -> optax.GradientTransformationExtraArgs:
    """Set weights outside a mask to zero at the first step, and hold them there.

    It must be the *last* element of a chain, after the learning rate: it replaces the update `u` of
    a masked weight `p` by `-p`, so that `p + u` is exactly 0. Masking gradients is not enough,
    since momentum and weight decay would still move a pruned weight.

    Some optimizers evaluate at an average of their steps, such as `optax.contrib.schedule_free` or
    `optax.lookahead`. With them this belongs *inside*, at the end of the inner chain, and the
    parameters must be pruned before (`jaxcomp.prune.apply_mask`)::

        inner = optax.chain(optax.adam(1e-3), jaxcomp.keep_masked(keep))
        tx = optax.contrib.schedule_free(inner, 1e-3)

    An average over steps before and after pruning is not sparse: apply the mask to it.

    Args:
      keep: tree of bool arrays, True for the weights to keep. Each has the shape of its parameter,
        or is a scalar for all of it; the tree has the structure of the parameters or of a prefix of
        it. Or a function from the initial parameters to such a tree, for example `lambda params:
        jax.tree.map(lambda p: p != 0, params)`.

    Returns:
      A transformation that ignores extra arguments and keeps the mask in its state, where
      `optax.tree.get(opt_state, "mask")` finds it.

    Raises:
      ValueError: if `keep` is None; at `init`, if the mask does not fit the parameters; at
        `update`, if no parameters are given.
      TypeError: at `init`, if a leaf of the mask is not boolean, or a parameter is not an array of
        numbers.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> params = {"kernel": jnp.array([1.0, 2.0])}
      >>> tx = optax.chain(optax.sgd(0.5), keep_masked({"kernel": jnp.array([True, False])}))
      >>> updates, state = tx.update(params, tx.init(params), params)
      >>> optax.apply_updates(params, updates)["kernel"].tolist()
      [0.5, 0.0]
    """
    if keep is None:
        raise ValueError("keep_masked needs a mask: True for the weights to keep, False for zeros")

    def init_fn(params: PyTree) -> KeepMaskedState:
        # The state needs copies, since a training step may donate its memory.
        return KeepMaskedState(jax.tree.map(jnp.array, resolve_entries(keep, params)))

    def update_fn(
        updates: PyTree, state: KeepMaskedState, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, KeepMaskedState]:
        del extra_args
        check_params(params, "keep_masked moves")
        return hold(updates, state.mask, params), state

    return transformation(init_fn, update_fn)


def hold(updates: PyTree, mask: PyTree, params: PyTree) -> PyTree:
    """Return updates that move parameters outside `mask` to exact zero; None stays None."""
    return map_updates(_keep, updates, mask, params)


def _keep(update: jax.Array, keep: jax.Array, param: jax.Array) -> jax.Array:
    dtype = wider_dtype(update, param)
    return jnp.where(keep, update.astype(dtype), -param.astype(dtype))
