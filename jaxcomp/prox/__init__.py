"""Implements the proximal operators of penalties, each with the penalty itself.

Example:
  >>> import jax.numpy as jnp
  >>> from jaxcomp.prox import PROXES
  >>> y = jnp.array([3.0, 0.5])
  >>> {name: PROXES[name].prox(y, 1.0).tolist() for name in ("soft", "hard")}
  {'soft': [2.0, 0.0], 'hard': [3.0, 0.0]}
"""

from jaxcomp.prox.group import Group
from jaxcomp.prox.prox import PROXES, Prox
from jaxcomp.prox.ratio import Ratio
from jaxcomp.prox.separable import Hard, Soft

__all__ = ["PROXES", "Group", "Hard", "Prox", "Ratio", "Soft"]
