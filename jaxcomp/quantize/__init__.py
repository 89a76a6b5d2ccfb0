"""Quantisation: few-valued weights, as pure functions of a parameter tree."""

from jaxcomp.quantize.codebook import codebook
from jaxcomp.quantize.ternary import (
    LEVELS,
    Ternary,
    dequantize,
    least_squares_level,
    ternarize,
    ternary_mask,
)
from jaxcomp.quantize.uniform import step_of_bits, uniform

__all__ = [
    "LEVELS",
    "Ternary",
    "codebook",
    "dequantize",
    "least_squares_level",
    "step_of_bits",
    "ternarize",
    "ternary_mask",
    "uniform",
]
