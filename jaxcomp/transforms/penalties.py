"""Adds penalties to the loss, as gradient transformations of optax."""

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
    """Holds the state of `add_penalty` and `add_compressibility`: values to log, and the step.

    Both values belong to the parameters that the last update was given, before it was applied. They
    are 0 until the first update.
    """

    # The number of updates made, shape=(), dtype=int32. It hides `tuple.count`.
    count: jax.Array  # type: ignore[assignment]
    # shape=(), dtype=float32: the penalty without its strength; for `add_compressibility` the ratio
    # ||w||_1 / ||w||_2, in scopes "tensor" and "unit" its sum
    value: jax.Array
    penalty: jax.Array  # shape=(), dtype=float32: the term of the loss, strength included


def penalty_states(opt_state: PyTree) -> list[PenaltyState]:
    """Return the state of each penalty of an optimizer, in the order of the chain.

    Args:
      opt_state: state of the whole optimizer, whatever transformations the penalties are inside of.

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
    """Return the sum that the penalties of an optimizer added to the loss at its last update.

    Args:
      opt_state: state of a chain with any number of `add_penalty` and `add_compressibility`, also
        inside other transformations such as `optax.MultiSteps`.

    Returns:
      The sum of their `penalty`, of shape (); 0 if there are none.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(add_penalty("l1", 0.5), add_penalty("l2", 0.1), optax.sgd(1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
      >>> _, state = tx.update(params, tx.init(params), params)
      >>> float(added_penalty(state))  # 0.5 * 7 + 0.1 * 12.5
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

    The optimizer then trains on :math:`f(w) + \lambda \, P(w)`. Like every part of the loss, the
    penalty stands *before* the preconditioner: see `jaxcomp.add_compressibility` for its place in a
    chain. The state keeps the values: `optax.tree.get(opt_state, "value")` is :math:`P`, and
    `jaxcomp.added_penalty(opt_state)` is :math:`\lambda P`, summed over all penalties of a chain.
    Weights at exactly zero get no gradient.

    Args:
      penalty: a name in `jaxcomp.losses.PENALTIES`, or a function from a sequence of arrays, taken
        as one vector, to a scalar. (`optax.inject_hyperparams` takes functions for schedules;
        there, name it in `static_args`.)
      strength: :math:`\lambda \ge 0`, a number or an optax schedule.
      scope: `"global"`, `"tensor"` or `"unit"` (see `jaxcomp.losses.penalty_tree`).
      groups: None, or `"unit"`, `"input"` or `"filter"` for the norms of such groups.
      mask: which leaves are penalized, as in `jaxcomp.add_compressibility`. The default is that of
        the penalty.
      network: the result of `jaxcomp.trace` (see `jaxcomp.add_compressibility`).
      layout: instead of `network`, the position of units in all arrays (see
        `jaxcomp.add_compressibility`).

    Returns:
      A transformation that ignores extra arguments. Its updates keep the type they came in; the
      penalty itself is computed in float32 or wider.

    Raises:
      ValueError: if a name is unknown, or a constant `strength` negative or not finite; at `init`,
        if the mask selects nothing, or (for units) as `jaxcomp.compressibility_tree`; at the first
        update, if no parameters are given.
      TypeError: if `strength` is neither a number nor a schedule; at the first update, if a
        selected leaf is not of a real floating-point type, or the function gives no scalar.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(add_penalty("l1", 0.5), optax.sgd(1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
      >>> zeros = {"kernel": jnp.zeros((2, 2))}  # the gradient of the data loss
      >>> updates, state = tx.update(zeros, tx.init(params), params)
      >>> optax.apply_updates(params, updates)["kernel"].tolist(), float(added_penalty(state))
      ([[2.5, 0.0], [-3.5, 0.0]], 3.5)
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

    This is the main penalty of the library: a case of `jaxcomp.add_penalty`, with an extra term for
    the ternary level. The optimizer then trains on :math:`f(w) + \lambda \, (L(w) + \gamma \,
    c(w))` with the loss :math:`L = \|w\|_1 / \|w\|_2`, the ternary level :math:`c = \|w\|_2^2 /
    \|w\|_1`, the `strength` :math:`\lambda` and the `level_strength` :math:`\gamma`.

    Place it *before* the preconditioner; transformations that must have the last word come *after*
    it::

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
    learning rate it is *decoupled*, like the weight decay of AdamW: the preconditioner does not see
    it, and it needs a strength some thousand times as large.

    Adam's steps are as large for weights that the data say nothing about as for all others. The
    ratio alone lets the larger ones of these weights grow, so that they survive pruning by
    magnitude and displace weights that matter. With Adam and pruning, use the extra term, or
    `add_penalty("l2", ...)` beside this one.

    The extra term moves the border between weights that are pushed to zero and weights that are
    pushed up from :math:`c` to :math:`c (1 - b) / (1 - 2 b)` with :math:`b = \gamma c / L`. From
    :math:`b = 1/2` on all weights are pushed down, as by an l1 norm: the term sparsifies, and does
    not equalize the survivors.

    The state keeps the values: `optax.tree.get(opt_state, "value")` is :math:`L` (if a chain has
    several penalties, `jaxcomp.transforms.penalty_states` has all values), and
    `jaxcomp.added_penalty(opt_state)` is the whole term with its strength, summed over all
    penalties of the chain. Weights at exactly zero get no gradient from the penalty.

    Args:
      strength: :math:`\lambda \ge 0` of the penalty, a number or an optax schedule.
      scope: `"global"` for one ratio over all selected weights, `"tensor"` or `"unit"` for the sum
        of the ratios of the tensors, or of their output units.
      level_strength: :math:`\gamma \ge 0`, the strength of the extra term. The ratio does not
        depend on the scale of the weights, and alone lets them grow; this term limits it.
      mask: which leaves are penalized, as in optax: a tree of bools with the structure of the
        parameters or a prefix of it, or a function from parameters to such a tree. The default
        leaves out biases, normalization parameters and scalars. A given mask is taken literally:
        `{"layer": True}` includes the layer's bias. (For `optax.inject_hyperparams`, name a mask
        that is a function, and a network, in `static_args`.)
      network: the result of `jaxcomp.trace`. It knows which arrays are weights, which of their axes
        are units, and which arrays are stacks of separate tensors.
      layout: instead of `network`, the position of units in all arrays (see `jaxcomp.axes`). In
        `"flax"`, the default, outputs are on the last axis; in `"torch"`, also for Equinox, on the
        first. Without a network, layers that are stacked by `nn.scan` or `eqx.filter_vmap` are one
        tensor; `jax.vmap(tx.init)` and `jax.vmap(tx.update)` separate them.

    Returns:
      A transformation that ignores extra arguments. Its updates keep the type they came in; the
      penalty itself is computed in float32 or wider.

    Raises:
      ValueError: if `scope` is unknown, if a constant `strength` or `level_strength` is negative or
        not finite; at `init`, if the mask selects nothing, or (for units) as
        `jaxcomp.compressibility_tree`; at the first update, if no parameters are given.
      TypeError: if `strength` is neither a number nor a schedule, or `level_strength` no number; at
        the first update, if a selected leaf is not of a real floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(add_compressibility(1e-2), optax.sgd(1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
      >>> zeros = {"kernel": jnp.zeros((2, 2))}  # the gradient of the data loss
      >>> updates, state = tx.update(zeros, tx.init(params), params)
      >>> round(float(optax.tree.get(state, "value")), 4)  # 7 / 5
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

    Args:
      name: of the transformation, in errors.
      objective: function from the weights to the penalty and to the value to log.
      check: raises an error at `init` for parameters that `objective` does not take.
      strength: number or schedule.
      mask: which leaves are penalized.
    """
    check_strength("strength", strength)

    def init_fn(params: PyTree) -> PenaltyState:
        check(params)
        # The three arrays are separate, since a training step may donate the state's memory.
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
    # The sum is computed in the type of the gradient, float32 or wider, and then rounded.
    scaled = jnp.asarray(strength, gradient.dtype) * gradient
    return (update.astype(gradient.dtype) + scaled).astype(update.dtype)
