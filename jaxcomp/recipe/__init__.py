"""Turns a network into a small file, in phases of training that can be combined."""

from jaxcomp.recipe.dense import Dense, FineTune
from jaxcomp.recipe.for_size import for_quality, for_size
from jaxcomp.recipe.phase import About, Phase, Trained, Training, TrainingPhase
from jaxcomp.recipe.quantize import Quantize
from jaxcomp.recipe.recipe import Recipe
from jaxcomp.recipe.result import Result
from jaxcomp.recipe.sparsify import Sparsify
from jaxcomp.recipe.store import Store
from jaxcomp.recipe.ternary_gap import TernaryGap

__all__ = [
    "About",
    "Dense",
    "FineTune",
    "Phase",
    "Quantize",
    "Recipe",
    "Result",
    "Sparsify",
    "Store",
    "TernaryGap",
    "Trained",
    "Training",
    "TrainingPhase",
    "for_quality",
    "for_size",
]
