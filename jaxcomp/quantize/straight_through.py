"""Few-valued weights in a form that can be trained, by the straight-through estimator."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import register_dataclass

from jaxcomp.parametrized import Parametrized
from jaxcomp.quantize.uniform import check_bits, step_of_bits, uniform
from jaxcomp.trees import Mask, PyTree, resolve_mask


@register_dataclass
@dataclass(frozen=True)
class Quantized(Parametrized):
    r"""Holds a tensor whose entries are zero or plus or minus one of a few levels.

    Zeros of the latent weights are the pruned ones. One level is a ternary tensor.
    """

    latent: jax.Array  # shape of the tensor: its sign, and which level is nearest
    # shape=(m,): magnitudes; or (m, *slices), with some for each slice of the tensor: of a shape
    # that broadcasts to that of the tensor, such as (m, outputs) or (m, outputs, 1)
    levels: jax.Array

    def value(self, key: jax.Array | None) -> jax.Array:
        r"""Return the tensor.

        An entry is :math:`c_j \, \mathrm{sign}(v_i)` with the level :math:`c_j` nearest to
        :math:`|v_i|`, the first of two that are equally near, and 0 where the latent weight is 0.

        Differentiable by the straight-through estimator (Bengio, Léonard, Courville, arXiv
        1308.3432): each level gets its true gradient, the sum of :math:`g_i \, \mathrm{sign}(v_i)`
        over the entries that have it; a latent weight that is not zero gets :math:`g_i`, as if the
        rounding were the identity; a pruned one gets exactly 0.
        """
        del key
        latent = jax.lax.stop_gradient(self.latent)
        value = _broadcast(self.levels[0], latent)
        distance = jnp.abs(jnp.abs(latent) - jax.lax.stop_gradient(value))
        for level in self.levels[1:]:
            other = _broadcast(level, latent)
            further = jnp.abs(jnp.abs(latent) - jax.lax.stop_gradient(other))
            value = jnp.where(further < distance, other, value)
            distance = jnp.minimum(distance, further)
        sign = jnp.sign(latent)
        # Adds exactly 0 to the value and the identity on the support to the derivative.
        identity = (self.latent - latent) * jnp.abs(sign)
        return value * sign + identity

    def mask(self, keep: jax.Array) -> "Quantized":
        """Return `keep` for the latent weights, and True for the levels."""
        return Quantized(keep, True)  # type: ignore[arg-type]  # a mask, not an array


@partial(register_dataclass, data_fields=["latent"], meta_fields=["bits"])
@dataclass(frozen=True)
class Rounded(Parametrized):
    """Holds an array that is rounded to multiples of a step of its own, such as a bias."""

    latent: jax.Array
    bits: int  # as of `jaxcomp.quantize.step_of_bits`

    def value(self, key: jax.Array | None) -> jax.Array:
        """Return the nearest multiples, differentiable as `jaxcomp.quantize.uniform`."""
        del key
        return uniform(self.latent, step_of_bits(self.latent, self.bits))

    def mask(self, keep: jax.Array) -> "Rounded":
        """Return `keep` for the latent numbers."""
        return Rounded(keep, self.bits)


def trained_bits(params: PyTree, bits: int, *, mask: Mask | None = None, **options: Any) -> PyTree:
    """Return the tree with a `Rounded` in place of each weight that has entries.

    Args:
      params: tree of arrays.
      bits: from 2 to 8, as `jaxcomp.quantize.step_of_bits`.
      mask: which leaves are rounded (see `jaxcomp.compressibility_tree`).
      options: are those of levels, which this has no use for.

    Raises:
      ValueError: if `bits` is outside that range, or the mask does not fit.
    """
    del options
    check_bits("bits", bits)
    return jax.tree.map(
        lambda w, chosen: Rounded(w, bits) if chosen and w.size else w,
        params,
        resolve_mask(mask, params),
    )


def _broadcast(level: jax.Array, latent: jax.Array) -> jax.Array:
    """Return a level, of shape () or of one that broadcasts to the tensor's, for each entry."""
    return jnp.broadcast_to(jnp.expand_dims(level, range(latent.ndim - level.ndim)), latent.shape)
