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
from typing import TYPE_CHECKING, Any

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


if TYPE_CHECKING:  # the same names, for type checkers and editors
    from jaxcomp import analysis as analysis
    from jaxcomp import axes as axes
    from jaxcomp import checkpoints as checkpoints
    from jaxcomp import codec as codec
    from jaxcomp import compression as compression
    from jaxcomp import data as data
    from jaxcomp import losses as losses
    from jaxcomp import models as models
    from jaxcomp import parametrized as parametrized
    from jaxcomp import prox as prox
    from jaxcomp import prune as prune
    from jaxcomp import quantize as quantize
    from jaxcomp import recipe as recipe
    from jaxcomp import tracing as tracing
    from jaxcomp import train as train
    from jaxcomp import transforms as transforms
    from jaxcomp import trees as trees
    from jaxcomp.codec import FormatError as FormatError
    from jaxcomp.compression import Calibration as Calibration
    from jaxcomp.compression import compress as compress
    from jaxcomp.compression import save_moments as save_moments
    from jaxcomp.losses import compressibility as compressibility
    from jaxcomp.losses import compressibility_tree as compressibility_tree
    from jaxcomp.losses import ternary_level as ternary_level
    from jaxcomp.tracing import trace as trace
    from jaxcomp.transforms import add_compressibility as add_compressibility
    from jaxcomp.transforms import add_penalty as add_penalty
    from jaxcomp.transforms import added_penalty as added_penalty
    from jaxcomp.transforms import apply_prox as apply_prox
    from jaxcomp.transforms import control_weight as control_weight
    from jaxcomp.transforms import keep_masked as keep_masked
    from jaxcomp.transforms import prox_adam as prox_adam
    from jaxcomp.transforms import prune_gradually as prune_gradually
    from jaxcomp.tree_files import load as load
    from jaxcomp.tree_files import save as save
    from jaxcomp.trees import describe_mask as describe_mask

    __version__: str
else:

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        if name in _SUBPACKAGES:
            return importlib.import_module(f"jaxcomp.{name}")
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("jaxcomp")
        raise AttributeError(f"module 'jaxcomp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
