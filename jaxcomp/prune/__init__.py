"""Pruning: which weights are kept, as pure functions of a parameter tree."""

from jaxcomp.prune.dead_units import DeadUnits, remove_dead_units
from jaxcomp.prune.largest import largest
from jaxcomp.prune.masks import apply_mask, threshold_mask, top_k_mask
from jaxcomp.prune.patterns import Blocks, Entries, OfEach, Pattern, Units
from jaxcomp.prune.scores import structured_magnitude

__all__ = [
    "Blocks",
    "DeadUnits",
    "Entries",
    "OfEach",
    "Pattern",
    "Units",
    "apply_mask",
    "largest",
    "remove_dead_units",
    "structured_magnitude",
    "threshold_mask",
    "top_k_mask",
]
