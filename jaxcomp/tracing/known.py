"""Holds what is known of an array of a program: the entries that never change, and their values."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Known(NamedTuple):
    """Holds what is known of an array, in two fields (`jaxcomp.tracing.fields`)."""

    value: np.ndarray  # of the array's type; 0 for an entry that varies
    varies: np.ndarray  # bool: whether an entry varies

    @property
    def zero(self) -> np.ndarray:
        """Return a field that tells which entries are zero for all inputs."""
        return ~self.varies & (self.value == 0)


def constant(value: Any) -> Known:
    """Return what is known of an array whose entries are all given."""
    if jnp.issubdtype(value.dtype, jax.dtypes.extended):  # keys of random numbers are no numbers
        return unknown(value)
    return Known(np.asarray(value), no_entry(value.ndim))


def unknown(like: Any) -> Known:
    """Return what is known of an array all of whose entries vary; `like` has its shape and type."""
    plain = np.float32 if jnp.issubdtype(like.dtype, jax.dtypes.extended) else like.dtype
    return Known(np.zeros((1,) * len(like.shape), plain), ~no_entry(len(like.shape)))


def no_entry(rank: int) -> np.ndarray:
    """Return a field that is False for all entries."""
    return np.zeros((1,) * rank, bool)


def collapsed(known: Known, axes: Iterable[int]) -> Known:
    """Return what all indices of `axes` share: an entry varies if it differs among them."""
    axes = tuple(
        axis for axis in axes if max(known.value.shape[axis], known.varies.shape[axis]) > 1
    )
    if not axes:
        return known
    first = known.value[
        tuple(slice(0, 1) if a in axes else slice(None) for a in range(known.value.ndim))
    ]
    same = np.all(known.value == first, axis=axes, keepdims=True)
    varies = np.any(known.varies, axis=axes, keepdims=True) | ~same
    return Known(np.where(varies, np.zeros((), first.dtype), first), varies)
