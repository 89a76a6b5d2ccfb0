"""Gradient transformations: everything that belongs into an `optax.chain`."""

from jaxcomp.transforms.keep_masked import KeepMaskedState, keep_masked
from jaxcomp.transforms.penalties import (
    AddCompressibilityState,
    AddPenaltyState,
    add_compressibility,
    add_penalty,
)

__all__ = [
    "AddCompressibilityState",
    "AddPenaltyState",
    "KeepMaskedState",
    "add_compressibility",
    "add_penalty",
    "keep_masked",
]
