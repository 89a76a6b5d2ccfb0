"""Makes networks in JAX sparse and few-valued, and stores them in small files.

It is built around the compressibility loss `||w||_1 / ||w||_2` (arXiv 1905.01044). The functions of
this module cover a training loop from the penalty to the file; the packages below it hold the rest.

Example:
  >>> import jax.numpy as jnp
  >>> import jaxcomp
  >>> w = jnp.array([0.0, 3.0, 0.0, -3.0, 3.0, 3.0])  # ternary, with four non-zeros
  >>> float(jaxcomp.compressibility(w)) ** 2, float(jaxcomp.ternary_level(w))
  (4.0, 3.0)
"""

import importlib
from typing import Any

# Each public name, with the module that defines it. A name is imported at its first use, so that
# `jaxcomp.load` reads a file on a machine without jax.
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
