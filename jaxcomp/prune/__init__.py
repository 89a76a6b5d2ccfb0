"""Pruning: which weights are kept, as pure functions of a parameter tree."""

from jaxcomp.prune.dead_units import DeadUnits, remove_dead_units
from jaxcomp.prune.masks import apply_mask, threshold_mask, top_k_mask

__all__ = ["DeadUnits", "apply_mask", "remove_dead_units", "threshold_mask", "top_k_mask"]
