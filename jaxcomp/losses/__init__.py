"""Penalties as pure functions of arrays and trees of arrays."""

from jaxcomp.losses.baselines import l1_tree, l2_tree
from jaxcomp.losses.ratio import compressibility, ternary_level
from jaxcomp.losses.tree import SCOPES, compressibility_tree, level_tree

__all__ = [
    "SCOPES",
    "compressibility",
    "compressibility_tree",
    "l1_tree",
    "l2_tree",
    "level_tree",
    "ternary_level",
]
