"""Quantisation: few-valued weights, as pure functions of a parameter tree."""

from jaxcomp.quantize.ternary import (
    LEVELS,
    Ternary,
    dequantize,
    least_squares_level,
    ternarize,
    ternary_mask,
)

__all__ = [
    "LEVELS",
    "Ternary",
    "dequantize",
    "least_squares_level",
    "ternarize",
    "ternary_mask",
]
