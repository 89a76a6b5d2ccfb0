"""Gradient transformations: everything that belongs into an `optax.chain`."""

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
