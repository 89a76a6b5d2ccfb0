"""Gradient transformations: everything that belongs into an `optax.chain`."""

from jaxcomp.transforms.apply_prox import (
    ApplyPreconditionedProxState,
    ApplyProxState,
    apply_preconditioned_prox,
    apply_prox,
)
from jaxcomp.transforms.control_weight import ControlWeightState, control_weight
from jaxcomp.transforms.keep_masked import KeepMaskedState, keep_masked
from jaxcomp.transforms.penalties import (
    AddCompressibilityState,
    AddPenaltyState,
    add_compressibility,
    add_penalty,
    added_penalty,
)
from jaxcomp.transforms.prune_gradually import PruneGraduallyState, prune_gradually

__all__ = [
    "AddCompressibilityState",
    "AddPenaltyState",
    "ApplyPreconditionedProxState",
    "ApplyProxState",
    "ControlWeightState",
    "KeepMaskedState",
    "PruneGraduallyState",
    "add_compressibility",
    "add_penalty",
    "added_penalty",
    "apply_preconditioned_prox",
    "apply_prox",
    "control_weight",
    "keep_masked",
    "prune_gradually",
]
