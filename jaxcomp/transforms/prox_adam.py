"""Implements Adam with proximal steps in its own metric."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcomp.arguments import check_number
from jaxcomp.choices import Layout
from jaxcomp.numerics import accumulation_dtype
from jaxcomp.prox import Prox
from jaxcomp.transforms.proximal import Operator, operators_of, proximal_step
from jaxcomp.transforms.updates import (
    at_step,
    check_params,
    check_strength,
    map_updates,
    step_after,
    transformation,
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


class ProxAdamState(NamedTuple):
    """Holds the state of `prox_adam`: the step, and the state of Adam."""

    # The number of updates made, shape=(), dtype=int32. It hides `tuple.count`.
    count: jax.Array  # type: ignore[assignment]
    adam: optax.OptState


def prox_adam(
    prox: str | Prox,
    strength: optax.ScalarOrSchedule,
    learning_rate: optax.ScalarOrSchedule,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Minimize by Adam and the proximal operator of a penalty, in the metric of Adam.

    Adam divides the gradient of weight `i` by :math:`d_i = \sqrt{v_i} + \epsilon`. The matching
    proximal step divides the penalty likewise: its threshold for weight `i` is :math:`\tau_i = \eta
    \lambda / d_i`, large where gradients are small::

        tx = jaxcomp.prox_adam("soft", 1e-5, learning_rate=1e-3)

    Transformations of gradients, such as `optax.clip_by_global_norm`, come before it in a chain;
    transformations that must have the last word, such as `jaxcomp.keep_masked`, come after it.

    Source: Yun, Lozano, Yang, *Adaptive proximal gradient methods for structured neural networks*,
    NeurIPS 2021.

    Args:
      prox: a name in `jaxcomp.prox.PROXES`, or an object like those.
      strength: :math:`\lambda \ge 0` of the penalty, a number or an optax schedule.
      learning_rate: :math:`\eta` of Adam, a number or an optax schedule.
      b1: decay of the mean of gradients, in [0, 1).
      b2: decay of their second moments :math:`v`, in [0, 1).
      eps: :math:`\epsilon \ge 0`.
      mask: the leaves to apply the prox to (see `jaxcomp.add_compressibility`).
      network: as in `jaxcomp.apply_prox`.
      layout: as in `jaxcomp.apply_prox`.

    Returns:
      A whole optimizer.

    Raises:
      ValueError, TypeError: as `jaxcomp.apply_prox`, and if `b1`, `b2` or `eps` is out of range.

    Example:
      >>> import jax.numpy as jnp
      >>> import optax
      >>> tx = prox_adam("soft", 1.0, learning_rate=0.5, eps=1.0)
      >>> params = {"kernel": jnp.array([[3.0, 0.25]])}
      >>> zeros = {"kernel": jnp.zeros((1, 2))}
      >>> updates, _ = tx.update(zeros, tx.init(params), params)
      >>> optax.apply_updates(params, updates)["kernel"].tolist()
      [[2.5, 0.0]]
    """
    operators = operators_of(prox, network, layout)
    mask = mask_or_weights(mask, network)
    check_strength("strength", strength)
    check_strength("learning_rate", learning_rate)
    for name, decay in (("b1", b1), ("b2", b2)):
        check_number(name, decay, "a decay, in [0, 1)", lambda b: 0 <= b < 1)
    check_number("eps", eps, "finite and not negative", lambda e: e >= 0)
    adam = optax.adam(learning_rate, b1, b2, eps)

    def init_fn(params: PyTree) -> ProxAdamState:
        return ProxAdamState(jnp.zeros((), jnp.int32), adam.init(params))

    def update_fn(
        updates: PyTree, state: ProxAdamState, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, ProxAdamState]:
        del extra_args
        check_params(params, "prox_adam moves")
        chosen = check_selects(params, resolve_mask(mask, params))
        check_floating(params, "prox_adam", chosen)
        updates, adam_state = adam.update(updates, state.adam, params)
        count = step_after(state.count)
        tau = at_step(strength, state.count) * at_step(learning_rate, state.count)
        seen = 1 - b2 ** count.astype(jnp.float32)

        def proximal(
            u: jax.Array, operator: Operator | str, p: jax.Array, nu: jax.Array
        ) -> jax.Array:
            if isinstance(operator, str):  # `UNTOUCHED`
                return u
            nu = nu.astype(accumulation_dtype(p))
            scale = jnp.sqrt(nu / seen.astype(nu.dtype)) + eps
            return proximal_step(operator, u, p, jnp.asarray(tau).astype(nu.dtype) / scale)

        moments = optax.tree.get(adam_state, "nu")
        updates = map_updates(proximal, updates, operators(params, chosen), params, moments)
        return updates, ProxAdamState(count, adam_state)

    return transformation(init_fn, update_fn)
