"""Implements penalties as pure functions of arrays and of trees of arrays.

Example:
  >>> import jax.numpy as jnp
  >>> from jaxcomp import losses
  >>> sorted(losses.PENALTIES)[:4]
  ['hoyer_square', 'l0_hard_concrete', 'l1', 'l1_over_l2']
  >>> float(losses.penalty_tree({"kernel": jnp.array([[3.0, 0.0], [-4.0, 0.0]])}, "l1"))
  7.0
"""

from jaxcomp.choices import ARRAY_SCOPES, GROUPS, SCOPES
from jaxcomp.losses.group import group_norms
from jaxcomp.losses.hard_concrete import Gated, gate
from jaxcomp.losses.penalties import PENALTIES, Penalty, penalty_tree
from jaxcomp.losses.ratio import compressibility, ternary_level
from jaxcomp.losses.tree import compressibility_tree, level_tree

__all__ = [
    "ARRAY_SCOPES",
    "GROUPS",
    "PENALTIES",
    "SCOPES",
    "Gated",
    "Penalty",
    "compressibility",
    "compressibility_tree",
    "gate",
    "group_norms",
    "level_tree",
    "penalty_tree",
    "ternary_level",
]
