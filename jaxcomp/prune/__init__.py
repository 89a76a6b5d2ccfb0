"""Pruning: which weights are kept, as pure functions of a parameter tree."""

from jaxcomp.prune.masks import apply_mask, threshold_mask, top_k_mask

__all__ = ["apply_mask", "threshold_mask", "top_k_mask"]
