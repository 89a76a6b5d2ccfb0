"""Penalties with their proximal operators, as pairs of functions of one array."""

from jaxcomp.prox.group import Group
from jaxcomp.prox.prox import PROXES, Prox
from jaxcomp.prox.ratio import Ratio
from jaxcomp.prox.separable import Hard, Soft

__all__ = ["PROXES", "Group", "Hard", "Prox", "Ratio", "Soft"]
