"""Gives weights few values, as pure functions of arrays and parameter trees.

Example:
  >>> import jax.numpy as jnp
  >>> from jaxcomp.parametrized import values
  >>> from jaxcomp.quantize import ternarize
  >>> ternary = ternarize({"kernel": jnp.array([[3.0, 0.0], [-1.0, 2.0]])}, level="least_squares")
  >>> values(ternary)["kernel"].tolist()
  [[2.0, 0.0], [-2.0, 2.0]]
"""

from jaxcomp.choices import PER
from jaxcomp.quantize.codebook import codebook
from jaxcomp.quantize.levels import LEVELS, few_levels, least_squares_level, ternarize
from jaxcomp.quantize.straight_through import Quantized, Rounded
from jaxcomp.quantize.uniform import step_of_bits, uniform

__all__ = [
    "LEVELS",
    "PER",
    "Quantized",
    "Rounded",
    "codebook",
    "few_levels",
    "least_squares_level",
    "step_of_bits",
    "ternarize",
    "uniform",
]
