"""The compressibility loss for JAX: sparse, nearly ternary networks in small files."""

import importlib
from typing import Any

# Where each public name lives. Names are imported when first used, so that a file can be read
# (`jaxcomp.load`) on a machine that has no jax.
_HOMES = {
    "Calibration": "jaxcomp.compression",
    "FormatError": "jaxcomp.codec",
    "add_compressibility": "jaxcomp.transforms",
    "add_penalty": "jaxcomp.transforms",
    "added_penalty": "jaxcomp.transforms",
    "apply_prox": "jaxcomp.transforms",
    "compress": "jaxcomp.compression",
    "compressibility": "jaxcomp.losses",
    "compressibility_tree": "jaxcomp.losses",
    "control_weight": "jaxcomp.transforms",
    "describe_mask": "jaxcomp.trees",
    "keep_masked": "jaxcomp.transforms",
    "load": "jaxcomp.tree_files",
    "prox_adam": "jaxcomp.transforms",
    "prune_gradually": "jaxcomp.transforms",
    "save": "jaxcomp.tree_files",
    "save_moments": "jaxcomp.compression",
    "ternary_level": "jaxcomp.losses",
    "trace": "jaxcomp.tracing",
}
_SUBPACKAGES = (
    "analysis",
    "axes",
    "checkpoints",
    "codec",
    "compression",
    "data",
    "losses",
    "models",
    "parametrized",
    "prox",
    "prune",
    "quantize",
    "recipe",
    "tracing",
    "train",
    "transforms",
    "trees",
)

__all__ = [*_HOMES, *_SUBPACKAGES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"jaxcomp.{name}")
    raise AttributeError(f"module 'jaxcomp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
