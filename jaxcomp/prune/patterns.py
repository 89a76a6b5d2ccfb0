"""Defines which weights are kept or pruned together: single ones, blocks, units, n of m.

A pattern is an object with one method `keep(scores, density, scope)`. It takes one array of scores
for each tensor, [window..., inputs, outputs] and not negative, and the fraction to keep, which may
be traced. It returns bool arrays of the same shapes. Arrays in other layouts, and stacked ones, are
brought into this form before (`keep_of_arrays`). In scope `"global"` all tensors are ranked
together, in scope `"tensor"` each by itself; at least one item is kept in each ranking. An item
whose score is NaN displaces no other, and is kept in addition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_number
from jaxcomp.axes import KERNEL, Axes, all_but, from_matrices, matrices
from jaxcomp.choices import ArrayScope
from jaxcomp.losses.tree import needs_of, scope_groups
from jaxcomp.prune.largest import largest


class Pattern(Protocol):
    """Says which weights are kept or pruned as one.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.prune import top_k_mask
      >>> class Above:  # keeps what is larger than the mean, whatever the density
      ...     def keep(self, scores, density, scope):
      ...         return [score > score.mean() for score in scores]
      >>> params = {"kernel": jnp.array([[3.0, 0.1], [-4.0, 0.2]])}
      >>> top_k_mask(params, 0.5, pattern=Above())["kernel"].tolist()
      [[True, False], [True, False]]
    """

    def keep(
        self, scores: Sequence[jax.Array], density: jax.Array | float, scope: ArrayScope
    ) -> list[jax.Array]:
        """Return masks of the weights to keep.

        Args:
          scores: one array for each tensor, [window..., inputs, outputs], not negative.
          density: fraction to keep, in (0, 1]; it may be traced.
          scope: `"global"` or `"tensor"`.
        """


def check_pattern(pattern: Pattern) -> None:
    """Raise a TypeError unless `pattern` has a method `keep`."""
    if not callable(getattr(pattern, "keep", None)):
        raise TypeError(f"pattern must be one of jaxcomp.prune, such as OfEach(4), got {pattern!r}")


def pattern_needs(pattern: Pattern, scope: ArrayScope) -> str:
    """Return which axes of arrays must be known for a pattern and a scope."""
    return needs_of(scope) if isinstance(pattern, Entries) else KERNEL


def keep_of_arrays(
    pattern: Pattern,
    scores: Sequence[jax.Array],
    density: jax.Array | float,
    scope: ArrayScope,
    axes: Sequence[Axes | None],
) -> list[jax.Array]:
    """Keep weights by a pattern in arrays with these axes; stacked tensors are separate."""
    if isinstance(pattern, Entries):
        if scope == "global":
            return pattern.keep(scores, density, scope)
        axes = [_stack_alone(own, score.ndim) for own, score in zip(axes, scores, strict=True)]
    tensors = [matrices(score, own) for score, own in zip(scores, axes, strict=True)]
    kept = iter(pattern.keep([one for each in tensors for one in each], density, scope))
    return [
        from_matrices([next(kept) for _ in each], score.shape, own)
        for each, score, own in zip(tensors, scores, axes, strict=True)
    ]


def _stack_alone(axes: Axes | None, ndim: int) -> Axes | None:
    """Keep only the stack of the axes, so that ties are broken in row-major order."""
    if axes is None or not axes.stack:
        return None
    return Axes((), (), window=all_but(axes.stack, ndim), stack=axes.stack)


@dataclass(frozen=True)
class Entries:
    """Keeps or prunes each weight by itself.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = [jnp.array([[3.0, 0.1], [4.0, 0.2]])]
      >>> Entries().keep(scores, 0.5, "global")[0].tolist()
      [[True, False], [True, False]]
    """

    def keep(
        self, scores: Sequence[jax.Array], density: jax.Array | float, scope: ArrayScope
    ) -> list[jax.Array]:
        """Keep the largest scores, exactly `round(density * n)` of `n`, and those that are NaN."""
        return [
            mask | jnp.isnan(score)
            for group in scope_groups(scores, scope)
            for mask, score in zip(
                largest(
                    [_ranked(score) for score in group],
                    _count(density, sum(score.size for score in group)),
                ),
                group,
                strict=True,
            )
        ]


@dataclass(frozen=True)
class Blocks:
    """Keeps or prunes blocks of `rows` inputs times `columns` outputs, ranked by their mean score.

    The blocks tile the inputs and outputs of a kernel, so their sizes must divide its sizes.

    Example:
      >>> import numpy as np
      >>> scores = [np.array([[3.0, 0.1, 1.0, 1.0], [4.0, 0.2, 1.0, 1.0]])]
      >>> Blocks(2, 2).keep(scores, 0.5, "global")[0].astype(int).tolist()
      [[1, 1, 0, 0], [1, 1, 0, 0]]
    """

    rows: int
    columns: int

    def __post_init__(self):
        for name in ("rows", "columns"):
            check_number(name, getattr(self, name), "at least 1", lambda n: n >= 1, integer=True)

    def keep(
        self, scores: Sequence[jax.Array], density: jax.Array | float, scope: ArrayScope
    ) -> list[jax.Array]:
        """Keep the blocks with the largest means.

        Raises:
          ValueError: if the blocks do not tile a tensor.
        """
        means = [self._split(score).mean(axis=(-3, -1)) for score in scores]
        return [
            jnp.broadcast_to(mask[..., :, None, :, None], self._split(score).shape).reshape(
                score.shape
            )
            for mask, score in zip(Entries().keep(means, density, scope), scores, strict=True)
        ]

    def _split(self, score: jax.Array) -> jax.Array:
        if score.ndim < 2 or score.shape[-2] % self.rows or score.shape[-1] % self.columns:
            raise ValueError(
                f"blocks of {self.rows} x {self.columns} do not tile a kernel [..., inputs, "
                f"outputs] of shape {score.shape}: choose divisors of its sizes, or leave it out "
                "with a mask"
            )
        *lead, inputs, outputs = score.shape
        tiles = (inputs // self.rows, self.rows, outputs // self.columns, self.columns)
        return score.reshape(*lead, *tiles)


@dataclass(frozen=True)
class Units:
    """Keeps or prunes all weights into an output unit, ranked by their mean score.

    In a convolution the units are the channels.

    Example:
      >>> import numpy as np
      >>> scores = [np.array([[3.0, 2.0], [0.1, 2.0]])]
      >>> Units().keep(scores, 0.5, "global")[0].tolist()
      [[False, True], [False, True]]
    """

    def keep(
        self, scores: Sequence[jax.Array], density: jax.Array | float, scope: ArrayScope
    ) -> list[jax.Array]:
        """Keep the output units with the largest means.

        Raises:
          ValueError: if a tensor has fewer than two axes.
        """
        return _keep_whole(scores, -1, density, scope)


@dataclass(frozen=True)
class Inputs:
    """Keeps or prunes all weights out of an input unit, ranked by their mean score.

    Example:
      >>> import numpy as np
      >>> scores = [np.array([[3.0, 2.0], [0.1, 2.0]])]
      >>> Inputs().keep(scores, 0.5, "global")[0].tolist()
      [[True, True], [False, False]]
    """

    def keep(
        self, scores: Sequence[jax.Array], density: jax.Array | float, scope: ArrayScope
    ) -> list[jax.Array]:
        """Keep the input units with the largest means.

        Raises:
          ValueError: if a tensor has fewer than two axes.
        """
        return _keep_whole(scores, -2, density, scope)


@dataclass(frozen=True)
class OfEach:
    """Keeps the largest of every `m` consecutive weights along the inputs (n:m sparsity).

    `OfEach(4)` with density 0.5 is the 2:4 pattern of sparse tensor cores. The scope does not
    matter: each group of `m` weights has its own ranking.

    Example:
      >>> import jax.numpy as jnp
      >>> scores = [jnp.array([[1.0], [4.0], [3.0], [2.0]])]  # four inputs of one unit
      >>> OfEach(4).keep(scores, 0.5, "global")[0].ravel().tolist()
      [False, True, True, False]
    """

    m: int

    def __post_init__(self):
        check_number("m", self.m, "at least 1", lambda m: m >= 1, integer=True)

    def keep(
        self, scores: Sequence[jax.Array], density: jax.Array | float, scope: ArrayScope
    ) -> list[jax.Array]:
        """Keep the `round(density * m)` largest of each group, at least one.

        Raises:
          ValueError: if the number of inputs of a tensor is not a multiple of `m`.
        """
        scope_groups(scores, scope)  # raises for an unknown scope
        return [self._of_tensor(score, _count(density, self.m)) for score in scores]

    def _of_tensor(self, score: jax.Array, n: jax.Array | int) -> jax.Array:
        if score.ndim < 2 or score.shape[-2] % self.m:
            raise ValueError(
                f"groups of {self.m} do not divide the inputs of a kernel [..., inputs, outputs] "
                f"of shape {score.shape}: choose a divisor of it, or leave it out with a mask"
            )
        *lead, inputs, outputs = score.shape
        groups = _ranked(score).reshape(*lead, inputs // self.m, self.m, outputs)
        mine, other = groups[..., :, None, :], groups[..., None, :, :]  # [..., m, m, outputs]
        place = jax.lax.broadcasted_iota(jnp.int32, groups.shape, groups.ndim - 2)
        earlier = place[..., None, :, :] < place[..., :, None, :]
        rank = jnp.sum((other > mine) | ((other == mine) & earlier), axis=-2)
        return (rank < n).reshape(score.shape) | jnp.isnan(score)


def _keep_whole(
    scores: Sequence[jax.Array], axis: int, density: jax.Array | float, scope: ArrayScope
) -> list[jax.Array]:
    """Keep the slices along an axis that have the largest means, each as a whole."""

    def mean(score: jax.Array) -> jax.Array:
        if score.ndim < 2:
            raise ValueError(
                f"units are those of a kernel [..., inputs, outputs], got shape {score.shape}: "
                "leave it out with a mask"
            )
        return score.mean(axis=all_but([score.ndim + axis], score.ndim), keepdims=True)

    kept = Entries().keep([mean(score) for score in scores], density, scope)
    return [jnp.broadcast_to(mask, score.shape) for mask, score in zip(kept, scores, strict=True)]


def _ranked(score: jax.Array) -> jax.Array:
    """Return the scores for the comparison, where NaN displaces no other.

    An item with score NaN is kept in addition, so that it stays visible in the weights.
    """
    return jnp.where(jnp.isnan(score), 0, score)


def _count(density: jax.Array | float, size: int) -> jax.Array | int:
    """Return `round(density * size)`, at least one."""
    if isinstance(density, float | int):
        return max(1, round(density * size))
    return jnp.maximum(1, jnp.round(density * size).astype(jnp.int32))
