r"""Measures how sparse, how ternary and how compressible weights are, to log while training.

All measures are scale-free. They are functions of the magnitudes and signs of one vector, or of all
selected weights of a tree taken as one vector.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln, xlogy

from jaxcomp.losses.ratio import level_of, ratio_of
from jaxcomp.numerics import accumulation_dtype
from jaxcomp.trees import Mask, PyTree, select

LIVE = 0.1  # in units of c
STEPS_PER_LEVEL = 4  # the uniform codebook has multiples of c / 4
LARGEST_STEP = 1024  # magnitudes beyond 256 c are clipped
BINS_PER_OCTAVE, OCTAVES = 64, 16  # bins of the threshold: 1 % apart, c / 65536 to 65536 c


class Measures(NamedTuple):
    """Holds measures of `n` weights; all of shape=() and float32 (float64 for float64 weights)."""

    nonzeros: jax.Array  # k: exactly non-zero
    live: (
        jax.Array
    )  # number of magnitudes above c / 10: stochastic training stays near zero, not at it
    compressibility: jax.Array  # L = ||w||_1 / ||w||_2
    effective_nonzeros: jax.Array  # L^2, equal to k if the weights are ternary and below it if not
    hoyer_sparsity: jax.Array  # (sqrt(n) - L) / (sqrt(n) - 1): 0 if all are equal, 1 if one is left
    level: jax.Array  # c = ||w||_2^2 / ||w||_1, in units of the weights
    ternary_distance: jax.Array  # ||w - q||_2 / ||w||_2 to the nearest ternary vector q
    ternary_nonzeros: jax.Array  # number of non-zeros of q
    nonzero_entropy: jax.Array  # bits per non-zero, after rounding to multiples of c / 4
    bits_per_weight: jax.Array  # entropy of all weights after that rounding
    ternary_bits_per_weight: jax.Array  # (log2 C(n, k) + k) / n for the k non-zeros of q


def measures(params: PyTree, *, mask: Mask | None = None) -> Measures:
    """Measure the weights of a tree, taken together as one vector.

    The nearest ternary vector is searched over all supports and levels: its threshold to 1 %, then
    to a local optimum. The entropies are of order zero, of the values alone. For ternary
    weights the non-zero part has 1 bit (its signs) or less.

    Args:
      params: tree of arrays; a single array counts in full.
      mask: which leaves count (see `jaxcomp.compressibility_tree`).

    Returns:
      The measures. For the zero vector all are 0 except the Hoyer sparsity, which is 1.

    Raises:
      ValueError: if the mask selects nothing.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.analysis.measures import measures
      >>> found = measures(jnp.array([2.0, -2.0, 0.0, 2.0]))
      >>> int(found.nonzeros), round(float(found.effective_nonzeros), 3), float(found.level)
      (3, 3.0, 2.0)
    """
    alone = hasattr(params, "__array__") and mask is None
    leaves = [jnp.asarray(params)] if alone else select(params, mask)
    return _measures(leaves)


@jax.jit
def _measures(leaves: list[jax.Array]) -> Measures:
    dtype = accumulation_dtype(*leaves)
    w = jnp.concatenate([leaf.astype(dtype).ravel() for leaf in leaves])
    n, ratio, level = w.size, ratio_of([w]), level_of([w])
    units = w / jnp.where(level > 0, level, 1)
    distance, kept = _nearest_ternary(jnp.abs(units))
    nonzero_entropy, entropy = _entropies(units)
    return Measures(
        nonzeros=jnp.sum(w != 0).astype(dtype),
        live=jnp.sum(jnp.abs(units) > LIVE).astype(dtype),
        compressibility=ratio,
        effective_nonzeros=ratio**2,
        hoyer_sparsity=_hoyer_sparsity(n, ratio),
        level=level,
        ternary_distance=distance,
        ternary_nonzeros=kept,
        nonzero_entropy=nonzero_entropy,
        bits_per_weight=entropy,
        ternary_bits_per_weight=(_log2_binomial(n, kept) + kept) / n,
    )


def _hoyer_sparsity(n: int, ratio: jax.Array) -> jax.Array:
    if n == 1:
        return jnp.ones_like(ratio)
    root = jnp.sqrt(jnp.asarray(n, ratio.dtype))
    return (root - jnp.maximum(ratio, 1)) / (root - 1)  # the ratio is below 1 for the zero vector


def _nearest_ternary(magnitudes: jax.Array) -> tuple[jax.Array, jax.Array]:
    # The best ternary vector on a support has the mean magnitude there as its level, and reduces
    # the squared norm by (sum)^2 / k. The best support is that of the largest entries. Sorting all
    # would take longer than a training step, so the threshold is first found among bins.
    positive = magnitudes > 0
    place = jnp.log2(jnp.where(positive, magnitudes, 1)) * BINS_PER_OCTAVE
    bins = jnp.clip(jnp.floor(place), -OCTAVES * BINS_PER_OCTAVE, OCTAVES * BINS_PER_OCTAVE)
    bins = bins.astype(jnp.int32) + OCTAVES * BINS_PER_OCTAVE
    length = 2 * OCTAVES * BINS_PER_OCTAVE + 1
    largest_first = [
        jnp.cumsum(jnp.bincount(bins, weights=values, length=length)[::-1])
        for values in (magnitudes, positive.astype(magnitudes.dtype))
    ]
    sums, counts = largest_first
    best = length - 1 - jnp.argmax(sums**2 / jnp.maximum(counts, 1))
    kept = positive & (bins >= best)

    def mean(kept: jax.Array) -> jax.Array:
        number = jnp.sum(kept.astype(magnitudes.dtype))
        return jnp.sum(jnp.where(kept, magnitudes, 0)) / jnp.maximum(number, 1)

    # Each entry belongs to the nearer of 0 and the level: this settles entries inside the bin.
    for _ in range(3):
        kept = positive & (magnitudes > mean(kept) / 2)
    error = jnp.sum((magnitudes - jnp.where(kept, mean(kept), 0)) ** 2)
    squares = jnp.sum(magnitudes**2)
    relative = jnp.where(squares > 0, error / jnp.where(squares > 0, squares, 1), 0)
    return jnp.sqrt(relative), jnp.sum(kept).astype(magnitudes.dtype)


def _entropies(units: jax.Array) -> tuple[jax.Array, jax.Array]:
    steps = jnp.clip(jnp.round(STEPS_PER_LEVEL * units), -LARGEST_STEP, LARGEST_STEP)
    counts = jnp.bincount(steps.astype(jnp.int32) + LARGEST_STEP, length=2 * LARGEST_STEP + 1)
    counts = counts.astype(units.dtype)
    return _entropy(counts.at[LARGEST_STEP].set(0)), _entropy(counts)


def _entropy(counts: jax.Array) -> jax.Array:
    total = jnp.sum(counts)
    p = counts / jnp.maximum(total, 1)
    return jnp.abs(jnp.sum(xlogy(p, p))) / jnp.log(jnp.asarray(2, p.dtype))


def _log2_binomial(n: int, k: jax.Array) -> jax.Array:
    whole = jnp.asarray(n, k.dtype)
    terms = gammaln(whole + 1) - gammaln(k + 1) - gammaln(whole - k + 1)
    return terms / jnp.log(jnp.asarray(2, k.dtype))
