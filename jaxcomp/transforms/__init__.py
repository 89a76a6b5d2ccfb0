"""Gradient transformations: everything that belongs into an `optax.chain`."""

from jaxcomp.transforms.apply_prox import ApplyProxState, apply_prox
from jaxcomp.transforms.control_weight import ControlWeightState, control_weight
from jaxcomp.transforms.keep_masked import KeepMaskedState, keep_masked
from jaxcomp.transforms.penalties import (
    AddCompressibilityState,
    AddPenaltyState,
    add_compressibility,
    add_penalty,
    added_penalty,
)
from jaxcomp.transforms.prox_adam import ProxAdamState, prox_adam
from jaxcomp.transforms.prune_gradually import PruneGraduallyState, prune_gradually

__all__ = [
    "AddCompressibilityState",
    "AddPenaltyState",
    "ApplyProxState",
    "ControlWeightState",
    "KeepMaskedState",
    "ProxAdamState",
    "PruneGraduallyState",
    "add_compressibility",
    "add_penalty",
    "added_penalty",
    "apply_prox",
    "control_weight",
    "keep_masked",
    "prox_adam",
    "prune_gradually",
]
