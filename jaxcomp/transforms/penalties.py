"""Penalties as optax gradient transformations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcomp.axes import check_source, leaf_axes
from jaxcomp.choices import Groups, Layout, Scope
from jaxcomp.losses.penalties import (
    OfVector,
    arrangement_needs,
    check_arrangement,
    penalty_tree,
    resolve_penalty,
)
from jaxcomp.losses.tree import check_scope, compressibility_tree, level_tree, needs_of
from jaxcomp.numerics import accumulation_dtype
from jaxcomp.transforms.updates import (
    at_step,
    check_params,
    check_strength,
    map_updates,
    masked,
    step_after,
    transformation,
)
from jaxcomp.trees import Mask, PyTree, check_floating, mask_or_weights
from jaxcomp.weights import Network


class PenaltyState(NamedTuple):
    """State of `add_penalty` and `add_compressibility`: scalars to log, and the step.

    Both values belong to the parameters that the last update was given, before it was applied.
    They are 0 until the first update.
    """

    count: jax.Array  # type: ignore[assignment]  # shape=(), dtype=int32: number of updates made
    # shape=(), dtype=float32: the penalty without its strength; of `add_compressibility` the ratio
    # ||w||_1 / ||w||_2, in scope "tensor" the sum over the tensors
    value: jax.Array
    penalty: jax.Array  # shape=(), dtype=float32: what was added to the loss, strength included


def penalty_states(opt_state: PyTree) -> list[PenaltyState]:
    """Return the state of each penalty of an optimizer, in the order of the chain.

    Args:
      opt_state: state of the whole optimizer, whatever the penalties are inside of.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(add_penalty("l1", 0.5), add_penalty("l2", 0.1), optax.sgd(1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
      >>> _, state = tx.update(params, tx.init(params), params)
      >>> [float(one.value) for one in penalty_states(state)]
      [7.0, 12.5]
    """
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, PenaltyState))
    return [leaf for leaf in leaves if isinstance(leaf, PenaltyState)]


def added_penalty(opt_state: optax.OptState) -> jax.Array:
    """Return what all penalties of an optimizer added to the loss at its last update, to be logged.

    Args:
      opt_state: of a chain with any number of `add_penalty` and `add_compressibility`, also inside
        of others, such as `optax.MultiSteps`.

    Returns:
      The sum of their `penalty`, of shape (); 0 if there are none.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(add_penalty("l1", 0.5), add_penalty("l2", 0.1), optax.sgd(1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
      >>> _, state = tx.update(params, tx.init(params), params)
      >>> float(added_penalty(state))
      4.75
    """
    found = (state.penalty for state in penalty_states(opt_state))
    return sum(found, jnp.zeros((), jnp.float32))


def add_penalty(
    penalty: str | OfVector,
    strength: optax.ScalarOrSchedule,
    *,
    scope: Scope = "global",
    groups: Groups | None = None,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Add the gradient of a penalty of the weights to the updates.

    Trains on :math:`f(w) + \lambda \, P(w)`. Like every part of the loss it stands *before* the
    preconditioner: see `jaxcomp.add_compressibility` for where it goes in a chain and why. The
    values are kept in the state: `optax.tree.get(opt_state, "value")` is :math:`P`, and
    `jaxcomp.added_penalty(opt_state)` is :math:`\lambda P`, summed over all penalties of a chain.
    Weights at exactly zero get no gradient.

    Args:
      penalty: a name in `jaxcomp.losses.PENALTIES`, or a function from a sequence of arrays, taken
        as one vector, to a scalar. (Under `optax.inject_hyperparams`, which takes functions for
        schedules, name it in `static_args`.)
      strength: :math:`\lambda \ge 0`, a number or an optax schedule.
      scope: `"global"`, `"tensor"` or `"unit"` (see `jaxcomp.losses.penalty_tree`).
      groups: None, or `"unit"`, `"input"` or `"filter"` for the norms of such groups.
      mask: which leaves are penalized, as in `jaxcomp.add_compressibility`. The default is that of
        the penalty.
      network: from `jaxcomp.trace` (see `jaxcomp.add_compressibility`).
      layout: or where the units of all arrays are (see `jaxcomp.add_compressibility`).

    Returns:
      A transformation that ignores extra arguments. Its updates keep the type they came in; the
      penalty itself is computed in float32 or wider.

    Raises:
      ValueError: if a name is unknown, or a constant `strength` negative or not finite; at `init`,
        if the mask selects nothing, or (of units) as `jaxcomp.compressibility_tree`; at the first
        update, if no parameters are given.
      TypeError: if `strength` is neither a number nor a schedule; at the first update, if a
        selected leaf is not of a real floating-point type, or the function gives no scalar.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(add_penalty("l1", 0.5), optax.sgd(1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
      >>> state = tx.init(params)
      >>> updates, state = tx.update(jax.tree.map(jnp.zeros_like, params), state, params)
      >>> float(added_penalty(state))
      3.5
    """
    check_arrangement(scope, groups)
    chosen = resolve_penalty(penalty)

    def objective(weights: PyTree) -> tuple[jax.Array, jax.Array]:
        value = penalty_tree(
            weights,
            chosen.of,
            scope=scope,
            groups=groups,
            mask=True,
            network=network,
            layout=layout,
        )
        return value, value

    check_source(network, layout)
    needs = arrangement_needs(scope, groups)
    return _penalize(
        "add_penalty",
        objective,
        lambda params: leaf_axes(params, True, needs, network=network, layout=layout),
        strength,
        mask_or_weights(chosen.mask if mask is None else mask, network),
    )


def add_compressibility(
    strength: optax.ScalarOrSchedule,
    *,
    scope: Scope = "global",
    level_strength: float | jax.Array = 0.0,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Add the gradient of the compressibility penalty to the updates.

    The case of `jaxcomp.add_penalty` that this library is about, with a term for the ternary level.

    Trains on :math:`f(w) + \lambda \, (L(w) + \gamma \, c(w))` with the loss
    :math:`L = \|w\|_1 / \|w\|_2`, the ternary level :math:`c = \|w\|_2^2 / \|w\|_1`,
    :math:`\lambda` the `strength` and :math:`\gamma` the `level_strength`.

    Place it *before* the preconditioner and whatever must have the last word *after* it::

        gradient of the data loss
              |
        jaxcomp.add_compressibility(1e-3)    the penalty is part of the loss
              |
        optax.adam(1e-3)                     momentum, preconditioner, learning rate
              |
        jaxcomp.keep_masked(mask)            optional: hold pruned weights at exact zero
              |
        optax.apply_updates

    There the penalty is treated as a part of the loss. After `optax.adam(...)`, whose updates
    already point downhill, it would be *maximized*. Between `optax.scale_by_adam()` and the
    learning rate it is *decoupled*, as the weight decay of AdamW: shrinkage that the preconditioner
    does not see, which takes weights some thousand times as large.

    Adam steps as far for weights that the data say nothing about as for all others. The ratio alone
    lets the larger ones of these grow, so that they outlive pruning by magnitude and crowd out what
    matters. With Adam and pruning, use the extra term or `add_penalty("l2", ...)` beside this one.

    The extra term moves the border between weights that are pushed to zero and weights that are
    pushed up: with :math:`b = \gamma c / L` from :math:`c` to :math:`c (1 - b) / (1 - 2 b)`, and
    from :math:`b = 1/2` on all are pushed down, as by an l1 norm. It sparsifies, and does not make
    the survivors equal.

    The values are kept in the state: `optax.tree.get(opt_state, "value")` is :math:`L` (where a
    chain has several, `jaxcomp.transforms.penalty_states` has all of them), and
    `jaxcomp.added_penalty(opt_state)` is the whole term with its strength, and that of all other
    penalties of the chain. Weights at exactly zero get no gradient from the penalty.

    Args:
      strength: :math:`\lambda \ge 0` of the penalty, a number or an optax schedule.
      scope: `"global"` for one ratio over all selected weights, `"tensor"` or `"unit"` for the sum
        of the ratios of the tensors, or of their output units.
      level_strength: :math:`\gamma \ge 0`, the strength of the extra term. The ratio does not see
        the scale of the weights, and alone lets them grow; this term resists it.
      mask: which leaves are penalized, as in optax: a tree of bools with the structure of the
        parameters or a prefix of it, or a function from parameters to one. The default leaves
        biases, normalization parameters and scalars alone; a mask that is given is taken as it is,
        so that `{"layer": True}` includes the layer's bias. (Under `optax.inject_hyperparams`,
        name a mask that is a function, and a network, in `static_args`.)
      network: from `jaxcomp.trace`, which knows what each array is: which are weights, which axes
        are units, and that stacked layers are separate tensors.
      layout: or where the units of all arrays are (see `jaxcomp.axes`): `"flax"`, the default, has
        outputs on the last axis, `"torch"`, for Equinox as well, on the first. Layers that are
        stacked, by `nn.scan` or `eqx.filter_vmap`, are one tensor without a network; separate
        ones by `jax.vmap(tx.init)` and `jax.vmap(tx.update)`.

    Returns:
      A transformation that ignores extra arguments. Its updates keep the type they came in; the
      penalty itself is computed in float32 or wider.

    Raises:
      ValueError: if `scope` is unknown, if a constant `strength` or `level_strength` is negative or
        not finite; at `init`, if the mask selects nothing, or (of units) as
        `jaxcomp.compressibility_tree`; at the first update, if no parameters are given.
      TypeError: if `strength` is neither a number nor a schedule, or `level_strength` no number; at
        the first update, if a selected leaf is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(add_compressibility(1e-2), optax.sgd(1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
      >>> state = tx.init(params)
      >>> updates, state = tx.update(jax.tree.map(jnp.zeros_like, params), state, params)
      >>> round(float(optax.tree.get(state, "value")), 4)
      1.4
    """
    check_scope(scope)
    check_source(network, layout)
    if callable(level_strength):
        raise TypeError(f"level_strength must be a number, not a schedule: got {level_strength!r}")
    check_strength("level_strength", level_strength)
    with_level = isinstance(level_strength, jax.core.Tracer) or level_strength != 0

    def objective(weights: PyTree) -> tuple[jax.Array, jax.Array]:
        ratio = compressibility_tree(
            weights, scope=scope, mask=True, network=network, layout=layout
        )
        if not with_level:
            return ratio, ratio
        level = level_tree(weights, scope=scope, mask=True, network=network, layout=layout)
        return ratio + jnp.asarray(level_strength, level.dtype) * level, ratio

    return _penalize(
        "add_compressibility",
        objective,
        lambda params: leaf_axes(params, True, needs_of(scope), network=network, layout=layout),
        strength,
        mask_or_weights(mask, network),
    )


def _penalize(
    name: str,
    objective: Callable[[PyTree], tuple[jax.Array, jax.Array]],
    check: Callable[[PyTree], object],
    strength: optax.ScalarOrSchedule,
    mask: Mask,
) -> optax.GradientTransformationExtraArgs:
    """Add `strength` times the gradient of the first value of `objective`, and log the second.

    `check` raises an error at `init` for parameters that `objective` cannot be taken of.
    """
    check_strength("strength", strength)

    def init_fn(params: PyTree) -> PenaltyState:
        check(params)
        # Three arrays, not one three times: a training step may donate the state's memory.
        return PenaltyState(
            jnp.zeros((), jnp.int32), jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)
        )

    def update_fn(
        updates: PyTree, state: PenaltyState, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, PenaltyState]:
        del extra_args
        check_params(params, f"{name} penalizes")
        check_floating(params, name)
        now = at_step(strength, state.count)
        wide = jax.tree.map(lambda p: p.astype(accumulation_dtype(p)), params)
        (total, value), gradients = jax.value_and_grad(objective, has_aux=True)(wide)
        updates = map_updates(lambda u, g: _add(u, now, g), updates, gradients)
        penalty = jnp.asarray(now, total.dtype) * total
        return updates, PenaltyState(
            step_after(state.count),
            value.astype(jnp.float32),
            penalty.astype(jnp.float32),
        )

    return masked(transformation(init_fn, update_fn), mask)


def _add(update: jax.Array, strength: jax.Array | float, gradient: jax.Array) -> jax.Array:
    # In the type of the gradient, float32 or wider, and only the sum in that of the update.
    scaled = jnp.asarray(strength, gradient.dtype) * gradient
    return (update.astype(gradient.dtype) + scaled).astype(update.dtype)
