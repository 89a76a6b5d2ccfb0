"""Quantization: few-valued weights, as pure functions of a parameter tree."""

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
