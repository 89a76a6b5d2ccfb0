"""Holds few-valued weights in forms that can be trained by the straight-through estimator."""

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
    """Holds a tensor whose entries are zero or plus or minus one of a few levels.

    Zeros of the latent weights are the pruned ones. With one level the tensor is ternary.

    Example:
      >>> import jax.numpy as jnp
      >>> node = Quantized(latent=jnp.array([0.2, -5.0, 0.0, 1.4]), levels=jnp.array([1.0, 4.0]))
      >>> node.value(None).tolist()
      [1.0, -4.0, 0.0, 1.0]
    """

    latent: jax.Array  # shape of the tensor: it fixes the signs and the nearest levels
    # shape=(m,): magnitudes of the whole tensor; or (m, *slices): magnitudes of each slice, where
    # `slices` broadcasts to the shape of the tensor, as in (m, outputs) or (m, outputs, 1)
    levels: jax.Array

    def value(self, key: jax.Array | None) -> jax.Array:
        r"""Return the tensor.

        An entry is :math:`c_j \, \mathrm{sign}(v_i)` with the level :math:`c_j` nearest to
        :math:`|v_i|`, the first of two that are equally near, and 0 where the latent weight is 0.

        It is differentiable by the straight-through estimator (Bengio, Léonard, Courville, arXiv
        1308.3432). Each level gets its true gradient, the sum of :math:`g_i \, \mathrm{sign}(v_i)`
        over its entries. A latent weight that is not zero gets :math:`g_i`, as if the rounding were
        the identity; a pruned one gets exactly 0.

        Args:
          key: unused, since nothing is drawn at random.
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
    """Holds an array that is rounded to multiples of its own step, such as a bias.

    Example:
      >>> import jax.numpy as jnp
      >>> Rounded(jnp.array([3.0, -0.6, 1.2]), bits=3).value(None).tolist()  # step 1
      [3.0, -1.0, 1.0]
    """

    latent: jax.Array
    bits: int  # from 2 to 8, as in `jaxcomp.quantize.step_of_bits`

    def value(self, key: jax.Array | None) -> jax.Array:
        """Return the nearest multiples; their derivatives are those of `jaxcomp.quantize.uniform`.

        Args:
          key: unused, since nothing is drawn at random.
        """
        del key
        return uniform(self.latent, step_of_bits(self.latent, self.bits))

    def mask(self, keep: jax.Array) -> "Rounded":
        """Return `keep` for the latent numbers."""
        return Rounded(keep, self.bits)


def trained_bits(params: PyTree, bits: int, *, mask: Mask | None = None, **options: Any) -> PyTree:
    """Return the tree with a `Rounded` in place of each selected leaf that has entries.

    Args:
      params: tree of arrays.
      bits: from 2 to 8, as in `jaxcomp.quantize.step_of_bits`.
      mask: which leaves are rounded (see `jaxcomp.compressibility_tree`).
      options: arguments of other quantizers, which are ignored.

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
    """Return a level, of shape () or broadcastable to the tensor, for each entry."""
    return jnp.broadcast_to(jnp.expand_dims(level, range(latent.ndim - level.ndim)), latent.shape)
