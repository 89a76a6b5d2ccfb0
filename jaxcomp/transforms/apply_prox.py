"""Takes proximal steps: weights become exactly zero by the penalty itself, without pruning."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcomp.choices import Layout
from jaxcomp.prox import Prox
from jaxcomp.transforms.proximal import operators_of, proximal_step
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


class ApplyProxState(NamedTuple):
    """Holds the state of `apply_prox`: the step, for schedules."""

    # The number of updates made, shape=(), dtype=int32. It hides `tuple.count`.
    count: jax.Array  # type: ignore[assignment]


def apply_prox(
    prox: str | Prox,
    strength: optax.ScalarOrSchedule,
    learning_rate: optax.ScalarOrSchedule,
    *,
    mask: Mask | None = None,
    network: Network | None = None,
    layout: Layout | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Follow each step by the proximal operator of a penalty: proximal gradient descent.

    A step that would give a tensor the values :math:`w + u` gives it :math:`\mathrm{prox}_{\eta
    \lambda f}(w + u)` instead, with the learning rate :math:`\eta` and the `strength`
    :math:`\lambda`. Weights become exact zeros, and later steps may move them again. It must be the
    *last* element of a chain::

        tx = optax.chain(optax.sgd(0.1), jaxcomp.apply_prox("soft", 1e-4, learning_rate=0.1))

    Adam takes steps of the same size for weights that matter and for weights that do not, so after
    Adam this threshold sparsifies little; `jaxcomp.prox_adam` uses Adam's own metric.

    Args:
      prox: a name in `jaxcomp.prox.PROXES`, or an object like those.
      strength: :math:`\lambda \ge 0` of the penalty, a number or an optax schedule.
      learning_rate: that of the chain, a number or the same schedule.
      mask: the leaves to apply it to (see `jaxcomp.add_compressibility`).
      network: the result of `jaxcomp.trace`. It knows which arrays are weights, which of their axes
        are units, and which arrays are stacks of separate tensors.
      layout: instead of `network`, the position of units in all arrays (see `jaxcomp.axes`), for
        the group operators.

    Returns:
      A transformation that ignores extra arguments.

    Raises:
      ValueError: if a name is unknown, or a constant is negative or not finite; at `init` and
        `update`, if the mask selects nothing, or (for groups) as `jaxcomp.compressibility_tree`; at
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
    operators = operators_of(prox, network, layout)
    check_strength("strength", strength)
    check_strength("learning_rate", learning_rate)

    def init_fn(params: PyTree) -> ApplyProxState:
        operators(params, True)
        return ApplyProxState(jnp.zeros((), jnp.int32))

    def update_fn(
        updates: PyTree, state: ApplyProxState, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, ApplyProxState]:
        del extra_args
        check_params(params, "apply_prox moves")
        check_floating(params, "apply_prox")
        tau = at_step(strength, state.count) * at_step(learning_rate, state.count)
        updates = map_updates(
            lambda u, p, operator: proximal_step(operator, u, p, tau),
            updates,
            params,
            operators(params, True),
        )
        return updates, ApplyProxState(step_after(state.count))

    tx = transformation(init_fn, update_fn)
    return masked(tx, mask_or_weights(mask, network))
