"""Projects a network onto files: fewer weights of few values, and biases of few bits."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcomp.parametrized import values
from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.recipe.phase import About, Trained
from jaxcomp.recipe.quantize import Quantize
from jaxcomp.recipe.result import file_bytes
from jaxcomp.recipe.sparsify import without_dead_units
from jaxcomp.recipe.store import Store

PyTree = Any
_TRIES, _CLOSE = 16, 0.985  # densities to try; share of the allowed bytes that ends the search
_FURTHER, _MARGIN = 4.0, 0.1  # largest factor between densities; margin of the secant method


class TooSmallError(ValueError):
    """Says that no file is as small as was asked for."""


class Projected(NamedTuple):
    """Holds a network with fewer weights, before and after rounding, and its bytes."""

    density: float
    pruned: Trained
    rounded: Trained
    file_bytes: int


def project(
    trained: Trained,
    about: About,
    density: float,
    few: Quantize | None,
    bias_bits: int,
    rank: PyTree,
) -> Projected:
    """Prune and round a network to a density.

    Args:
      trained: the network.
      about: what every phase receives.
      density: fraction of the weights to keep, in (0, 1].
      few: says which values weights get; None keeps their values.
      bias_bits: bits of each bias.
      rank: tree like the parameters: the weights of largest magnitude here are kept.
    """
    params, network = trained.params, about.network
    # At least one weight of each tensor stays: a tensor of zeros learns nothing any more.
    keep = top_k_mask(rank, density, floor=min(density, 1e-9), network=network)
    pruned = without_dead_units(trained._replace(params=apply_mask(params, keep), keep=keep), about)
    nearest = pruned.params if few is None else values(few.quantized(pruned.params, network))
    rounded = Store(bias_bits=bias_bits).stored(pruned._replace(params=nearest), about)
    return Projected(density, pruned, rounded, file_bytes(rounded.params, rounded.model_state))


def largest_that_fits(make: Callable[[float], Projected], most: int, first: float) -> Projected:
    """Return the network of nearly the largest density whose file has at most so many bytes.

    Args:
      make: returns a network, given a density.
      most: bytes that the file may have.
      first: the density to begin with.

    Raises:
      TooSmallError: if no density is small enough; the message says what takes the bytes.
    """
    density, below, above = min(1.0, first), None, None  # one that fits, one that does not
    before, flat = None, False  # `flat`: densities allow more weights than there are
    for _ in range(_TRIES):
        found = make(density)
        if found.file_bytes <= most:
            below = found
            if found.file_bytes >= _CLOSE * most or density == 1.0:
                break
        else:
            flat = above is not None and found.file_bytes == above.file_bytes
            above = found
        density = _next(found, before, most * math.sqrt(_CLOSE), below, above, bisect=flat)
        before = found
    if below is None:
        assert above is not None
        kept = sum(int(jnp.sum(leaf != 0)) for leaf in jax.tree.leaves(above.pruned.params))
        raise TooSmallError(
            f"no file of {most:,} bytes was found: with {kept:,} numbers left that are not zero it "
            f"has {above.file_bytes:,}. Names, shapes, biases and the model state take the rest: "
            "allow more bytes"
        )
    return below


def _next(
    last: Projected,
    before: Projected | None,
    most: float,
    below: Projected | None,
    above: Projected | None,
    *,
    bisect: bool,
) -> float:
    """Return the next density to try, by the secant method on logarithms.

    The bytes are nearly a power of the density.
    """
    move = wanted = math.log(most / last.file_bytes)
    if before is not None:
        rise = math.log(last.file_bytes / before.file_bytes)
        run = math.log(last.density / before.density)
        move = wanted * run / rise if rise * run > 0 else math.copysign(math.inf, wanted)
    if below is None or above is None:
        far = math.log(_FURTHER)
        return min(1.0, last.density * math.exp(max(-far, min(far, move))))
    low, high = math.log(below.density), math.log(above.density)
    if bisect:
        return math.exp((low + high) / 2)
    margin = _MARGIN * (high - low)
    place = math.log(last.density) + move
    return math.exp(max(low + margin, min(high - margin, place)))
