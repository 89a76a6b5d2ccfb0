"""A network that compression is measured on: what it computes, and how well."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import numpy as np

Params = dict[str, Any]  # nested dicts of float32 arrays of NumPy

SPLITS = ("validation", "test")
EXAMPLES, BATCH = 2_048, 256  # of a draw of calibration inputs


class Batches(Protocol):
    """A draw of calibration inputs."""

    def __call__(self, seed: int, examples: int = EXAMPLES) -> list[tuple[np.ndarray, ...]]:
        """Return batches of `BATCH` examples, each the inputs of `Subject.apply`."""


class Subject(NamedTuple):
    """A dense network with its data, none of which is in two of calibration and the splits."""

    name: str
    params: Params
    # From parameters and inputs to logits; their softmax over the last axis predicts.
    apply: Callable[..., jax.Array]
    batches: Batches
    quality: Callable[[Params, str], float]  # of parameters on one of `SPLITS`; lower is better
    unit: str  # of the quality
    losses: tuple[float, float, float]  # by how much quality may grow, for which sizes are reported
    model: nn.Module | None = None  # that `params` are of, if it is one of Linen


def check_split(split: str) -> None:
    """Raise an error unless quality is measured on this split."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")


def check_examples(examples: int, available: int) -> None:
    """Raise an error unless so many calibration examples are available, and fill batches."""
    if examples % BATCH or not 0 < examples <= available:
        raise ValueError(
            f"calibration takes a multiple of {BATCH} examples, at most {available}: got {examples}"
        )


def drawn(seed: int, available: int, examples: int) -> list[np.ndarray]:
    """Return the places of `examples` of those available, in batches.

    Raises:
      ValueError: as `check_examples`.
    """
    check_examples(examples, available)
    order = np.random.default_rng(seed).permutation(available)[:examples]
    return np.split(order, examples // BATCH)
