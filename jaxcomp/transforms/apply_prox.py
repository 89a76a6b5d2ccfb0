"""Proximal steps: weights become exactly zero by the penalty itself, without pruning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcomp.arguments import check_choice, check_number
from jaxcomp.axes import KERNEL, STACK, Axes, check_source, leaf_axes
from jaxcomp.numerics import accumulation_dtype
from jaxcomp.prox import PROXES, Group, Prox
from jaxcomp.transforms.updates import (
    at_step,
    check_params,
    check_strength,
    check_transformation,
    map_updates,
    masked,
    wider_dtype,
)
from jaxcomp.trees import (
    Mask,
    PyTree,
    check_floating,
    check_selects,
    mask_or_weights,
    resolve_mask,
)
from jaxcomp.weights import Network


class ApplyProxState(NamedTuple):
    """State of `apply_prox`: the step, for schedules."""

    count: jax.Array  # shape=(), dtype=int32: number of updates made


class ApplyPreconditionedProxState(NamedTuple):
    """State of `apply_preconditioned_prox`: the step, and the state of the optimizer inside."""

    count: jax.Array  # shape=(), dtype=int32: number of updates made
    optimizer: optax.OptState


def apply_prox(
    prox: str | Prox,
    weight: optax.ScalarOrSchedule,
    learning_rate: optax.ScalarOrSchedule,
    *,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: str | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Follow each step by the proximal operator of a penalty: proximal gradient descent.

    After it, parameters are :math:`\mathrm{prox}_{\eta \lambda f}(w + u)` of what the step alone
    would give, in each tensor, with the learning rate :math:`\eta` and the `weight`
    :math:`\lambda`: exact zeros, which later steps may leave again. It must be the *last* element
    of a chain::

        tx = optax.chain(optax.sgd(0.1), jaxcomp.apply_prox("soft", 1e-4, learning_rate=0.1))

    After Adam, whose steps have the same size for weights that matter and for weights that do not,
    this threshold sparsifies little; `jaxcomp.apply_preconditioned_prox` uses Adam's own metric.

    Args:
      prox: a name in `jaxcomp.prox.PROXES` or an object like those.
      weight: weight :math:`\lambda \ge 0` of the penalty, a number or an optax schedule.
      learning_rate: that of the chain, a number or the same schedule.
      mask: which leaves it is applied to (see `jaxcomp.add_compressibility`).
      network: from `jaxcomp.trace`, which knows what each array is: which are weights, which axes
        are units (of the group operators), and that stacked layers are separate tensors.
      layout: or where the units of all arrays are (see `jaxcomp.axes`).

    Returns:
      A transformation that ignores extra arguments.

    Raises:
      ValueError: if a name is unknown, or a constant is negative or not finite; at `init` and
        `update`, if the mask selects nothing, or (of groups) as `jaxcomp.compressibility_tree`; at
        `update`, if no parameters are given.
      TypeError: if a constant is no number; at `update`, if a selected leaf is not of a real
        floating-point type.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = optax.chain(optax.sgd(1.0), apply_prox("soft", 0.5, learning_rate=1.0))
      >>> params = {"kernel": jnp.array([[3.0, 0.25]])}
      >>> zeros = {"kernel": jnp.zeros((1, 2))}
      >>> updates, _ = tx.update(zeros, tx.init(params), params)
      >>> optax.apply_updates(params, updates)["kernel"].tolist()
      [[2.5, 0.0]]
    """
    operators = _resolve(prox, network, layout)
    check_strength("weight", weight)
    check_strength("learning_rate", learning_rate)

    def init_fn(params: PyTree) -> ApplyProxState:
        operators(params, True)
        return ApplyProxState(jnp.zeros((), jnp.int32))

    def update_fn(
        updates: PyTree, state: ApplyProxState, params: PyTree | None = None, **extra_args
    ) -> tuple[PyTree, ApplyProxState]:
        del extra_args
        check_params(params, "apply_prox moves")
        check_floating(params, "apply_prox")
        tau = at_step(weight, state.count) * at_step(learning_rate, state.count)
        updates = map_updates(
            lambda u, p, operator: _proximal(operator, u, p, tau),
            updates,
            params,
            operators(params, True),
        )
        return updates, ApplyProxState(optax.safe_increment(state.count))

    tx = optax.GradientTransformationExtraArgs(init_fn, update_fn)
    return masked(tx, mask_or_weights(mask, network))


def apply_preconditioned_prox(
    optimizer: optax.GradientTransformation,
    prox: str | Prox,
    weight: optax.ScalarOrSchedule,
    learning_rate: optax.ScalarOrSchedule,
    *,
    b2: float = 0.999,
    eps: float = 1e-8,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: str | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""An optimizer of Adam's kind, followed by a proximal operator in its own metric.

    Adam divides the gradient of weight `i` by :math:`d_i = \sqrt{v_i} + \epsilon`. The proximal
    step that fits to it divides the penalty likewise: its threshold for weight `i` is
    :math:`\tau_i = \eta \lambda / d_i`, large where gradients are small::

        tx = jaxcomp.apply_preconditioned_prox(optax.adam(1e-3), "soft", 1e-5, 1e-3)

    Source: Yun, Lozano, Yang, *Adaptive proximal gradient methods for structured neural networks*,
    NeurIPS 2021.

    Args:
      optimizer: with the second moments `nu` of the gradients in its state, such as `optax.adam`,
        or a chain with it; it does all but the proximal step.
      prox: a name in `jaxcomp.prox.PROXES` or an object like those.
      weight: weight :math:`\lambda \ge 0` of the penalty, a number or an optax schedule.
      learning_rate: that of the optimizer, a number or the same schedule.
      b2: decay of the second moments in the optimizer.
      eps: the optimizer's :math:`\epsilon`.
      mask: which leaves the prox is applied to (see `jaxcomp.add_compressibility`).
      network: as in `jaxcomp.apply_prox`.
      layout: as in `jaxcomp.apply_prox`.

    Returns:
      A whole optimizer; what should have the last word comes after it in a chain.

    Raises:
      ValueError: as `apply_prox`; and at `update`, if the optimizer has no second moments.
    """
    operators = _resolve(prox, network, layout)
    mask = mask_or_weights(mask, network)
    check_strength("weight", weight)
    check_strength("learning_rate", learning_rate)
    check_transformation("optimizer", optimizer)
    check_number("b2", b2, "a decay, in [0, 1)", lambda b: 0 <= b < 1)
    check_number("eps", eps, "finite and not negative", lambda e: e >= 0)
    inner = optax.with_extra_args_support(optimizer)

    def init_fn(params: PyTree) -> ApplyPreconditionedProxState:
        return ApplyPreconditionedProxState(jnp.zeros((), jnp.int32), inner.init(params))

    def update_fn(
        updates: PyTree,
        state: ApplyPreconditionedProxState,
        params: PyTree | None = None,
        **extra_args,
    ) -> tuple[PyTree, ApplyPreconditionedProxState]:
        check_params(params, "apply_preconditioned_prox moves")
        chosen = check_selects(params, resolve_mask(mask, params))
        check_floating(params, "apply_preconditioned_prox", chosen)
        updates, inner_state = inner.update(updates, state.optimizer, params, **extra_args)
        count = optax.safe_increment(state.count)
        moments = optax.tree.get(inner_state, "nu")
        if moments is None:
            raise ValueError(
                "apply_preconditioned_prox needs the second moments `nu` in the state of its "
                "optimizer: give optax.adam, optax.adamw or a chain with one; after others use "
                "apply_prox"
            )
        tau = at_step(weight, state.count) * at_step(learning_rate, state.count)
        seen = 1 - b2 ** count.astype(jnp.float32)

        def proximal(u: jax.Array, operator: Prox, p: jax.Array, nu: jax.Array) -> jax.Array:
            if operator is _UNTOUCHED:
                return u
            nu = nu.astype(accumulation_dtype(p))
            scale = jnp.sqrt(nu / seen.astype(nu.dtype)) + eps
            return _proximal(operator, u, p, jnp.asarray(tau).astype(nu.dtype) / scale)

        updates = map_updates(proximal, updates, operators(params, chosen), params, moments)
        return updates, ApplyPreconditionedProxState(count, inner_state)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


@dataclass(frozen=True)
class _OfEach:
    """An operator of each of the tensors that are stacked in an array."""

    operator: Prox
    stack: Sequence[int]

    def prox(self, y: jax.Array, tau: jax.Array | float) -> jax.Array:
        """Return the results of the operator in the places of the tensors."""
        prox = self.operator.prox
        for axis in sorted(self.stack):  # the largest maps the array as a whole
            prox = jax.vmap(prox, in_axes=(axis, axis if jnp.ndim(tau) else None), out_axes=axis)
        return prox(y, tau)


_UNTOUCHED = "untouched"  # in the place of an operator


def _resolve(
    prox: str | Prox, network: Network | None, layout: str | None
) -> Callable[[PyTree, Mask], PyTree]:
    """Return a function from parameters and a mask to the operator of each leaf."""
    if not hasattr(prox, "prox"):
        check_choice("prox", prox, PROXES)
        prox = PROXES[prox]
    check_source(network, layout)
    of_groups = isinstance(prox, Group)
    has_own = of_groups and not (prox.axes is None and prox.layout is None)
    if has_own and not (network is None and layout is None):
        raise ValueError(
            f"{prox!r} has axes of its own: give a network or a layout to it or to the "
            "transformation, not both"
        )
    needs = KERNEL if of_groups and not has_own else STACK

    def of(axes: Axes | None) -> Prox:
        if axes is None:
            return prox
        if of_groups:
            return replace(prox, axes=axes)
        return _OfEach(prox, axes.stack) if axes.stack else prox

    def operators(params: PyTree, mask: Mask) -> PyTree:
        axes = leaf_axes(params, mask, needs, network=network, layout=layout)
        chosen = jax.tree.leaves(resolve_mask(mask, params))
        return jax.tree.structure(params).unflatten(
            [of(own) if one else _UNTOUCHED for own, one in zip(axes, chosen, strict=True)]
        )

    return operators


def _proximal(operator: Prox, u: jax.Array, p: jax.Array, tau: jax.Array | float) -> jax.Array:
    dtype = wider_dtype(u, p)
    p = p.astype(dtype)
    # `x - p` may be rounded, except where x is 0: p + (0 - p) is exactly 0.
    return operator.prox(p + u.astype(dtype), tau) - p
