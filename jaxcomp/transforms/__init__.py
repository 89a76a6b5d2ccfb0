"""Gradient transformations: everything that belongs into an `optax.chain`."""

from jaxcomp.transforms.keep_masked import KeepMaskedState, keep_masked
from jaxcomp.transforms.penalties import (
    AddCompressibilityState,
    AddPenaltyState,
    add_compressibility,
    add_penalty,
)
from jaxcomp.transforms.prune_gradually import PruneGraduallyState, prune_gradually

__all__ = [
    "AddCompressibilityState",
    "AddPenaltyState",
    "KeepMaskedState",
    "PruneGraduallyState",
    "add_compressibility",
    "add_penalty",
    "keep_masked",
    "prune_gradually",
]
