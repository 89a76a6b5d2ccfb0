"""Makes the last changes before a file is written."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from jaxcomp.arguments import check_choice
from jaxcomp.parametrized import values
from jaxcomp.recipe.biases import check_bias_bits, with_rounded_biases
from jaxcomp.recipe.phase import About, Phase, Train, Trained
from jaxcomp.recipe.sparsify import without_dead_units

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Store(Phase):
    """Removes units that have died, and gives arrays the type in which they are stored.

    Biases are rounded once more, since both change them.

    Attributes:
      dtype: `"float32"`, or `"bfloat16"`, which takes two bytes less for each level.
      bias_bits: bits of biases and of everything else that is not weights, from 2 to 8; 0 leaves
        them as they are.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.recipe import About, Store, Trained
      >>> params = {"kernel": jnp.array([[2.0, 0.0]]), "bias": jnp.array([1.0, 0.3])}
      >>> Store(bias_bits=2).stored(Trained(params), About()).params["bias"].tolist()
      [1.0, 0.0]
    """

    name: ClassVar[str] = "store"  # type: ignore[misc]  # the same for all
    few_valued: ClassVar[bool] = True
    steps: ClassVar[int] = 0  # type: ignore[misc]  # it does not train
    dtype: Literal["float32", "bfloat16"] = "float32"
    bias_bits: int = 8

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, DTYPES)
        check_bias_bits("bias_bits", self.bias_bits)

    def run(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the network as a file holds it; see `Phase.run`."""
        del train
        return self.stored(before, about)

    def stored(self, before: Trained, about: About) -> Trained:
        """Return the network as a file holds it.

        Args:
          before: a few-valued network.
          about: what every phase receives.
        """
        alive = without_dead_units(before, about)
        stored = jax.tree.map(lambda w: _as(DTYPES[self.dtype], w), alive.params)
        rounded = with_rounded_biases(stored, stored, self.bias_bits, about.network)
        return alive._replace(params=values(rounded))


def _as(dtype: jax.typing.DTypeLike, w: jax.Array) -> jax.Array:
    return w.astype(dtype) if jnp.issubdtype(w.dtype, jnp.floating) else w
