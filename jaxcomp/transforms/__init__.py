"""Provides gradient transformations for an `optax.chain`.

Example:
  >>> import jax.numpy as jnp
  >>> import optax
  >>> from jaxcomp.transforms import add_compressibility, added_penalty
  >>> tx = optax.chain(add_compressibility(0.5), optax.sgd(0.1))
  >>> params = {"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}
  >>> _, state = tx.update(params, tx.init(params), params)
  >>> round(float(added_penalty(state)), 4)  # half of ||w||_1 / ||w||_2 = 7 / 5
  0.7
"""

from jaxcomp.transforms.apply_prox import ApplyProxState, apply_prox
from jaxcomp.transforms.control_weight import ControlWeightState, control_weight
from jaxcomp.transforms.keep_masked import KeepMaskedState, keep_masked
from jaxcomp.transforms.penalties import (
    PenaltyState,
    add_compressibility,
    add_penalty,
    added_penalty,
    penalty_states,
)
from jaxcomp.transforms.prox_adam import ProxAdamState, prox_adam
from jaxcomp.transforms.prune_gradually import PruneGraduallyState, prune_gradually

__all__ = [
    "ApplyProxState",
    "ControlWeightState",
    "KeepMaskedState",
    "PenaltyState",
    "ProxAdamState",
    "PruneGraduallyState",
    "add_compressibility",
    "add_penalty",
    "added_penalty",
    "apply_prox",
    "control_weight",
    "keep_masked",
    "penalty_states",
    "prox_adam",
    "prune_gradually",
]
