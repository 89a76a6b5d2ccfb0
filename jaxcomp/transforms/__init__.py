"""Gradient transformations: everything that belongs into an `optax.chain`."""

from jaxcomp.transforms.add_compressibility import AddCompressibilityState, add_compressibility
from jaxcomp.transforms.keep_masked import KeepMaskedState, keep_masked

__all__ = [
    "AddCompressibilityState",
    "KeepMaskedState",
    "add_compressibility",
    "keep_masked",
]
