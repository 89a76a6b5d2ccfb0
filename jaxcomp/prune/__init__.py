"""Chooses the weights to keep, as pure functions of a parameter tree.

Example:
  >>> import jax.numpy as jnp
  >>> from jaxcomp.prune import apply_mask, top_k_mask
  >>> params = {"kernel": jnp.array([[3.0, 0.1], [-4.0, 0.2]]), "bias": jnp.ones(2)}
  >>> apply_mask(params, top_k_mask(params, density=0.5))["kernel"].tolist()
  [[3.0, 0.0], [-4.0, 0.0]]
"""

from jaxcomp.prune.dead_units import DeadUnits, remove_dead_units
from jaxcomp.prune.largest import largest
from jaxcomp.prune.masks import apply_mask, threshold_mask, top_k_mask
from jaxcomp.prune.patterns import Blocks, Entries, Inputs, OfEach, Pattern, Units
from jaxcomp.prune.scores import structured_magnitude
from jaxcomp.prune.shrink import Live, expand, first_units, live_units, shrink

__all__ = [
    "Blocks",
    "DeadUnits",
    "Entries",
    "Inputs",
    "Live",
    "OfEach",
    "Pattern",
    "Units",
    "apply_mask",
    "expand",
    "first_units",
    "largest",
    "live_units",
    "remove_dead_units",
    "shrink",
    "structured_magnitude",
    "threshold_mask",
    "top_k_mask",
]
