"""Penalties as pure functions of arrays and trees of arrays."""

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
