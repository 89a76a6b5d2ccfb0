"""The last steps before a file."""

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
    """Leave out units that have died, and give arrays the type that they are stored in.

    Biases are rounded once more, as both change them.

    Attributes:
      dtype: `"float32"`, or `"bfloat16"`, which is two bytes less for each level.
      bias_bits: from 2 to 8, of biases and all else that is not weights; 0 leaves them as they are.
    """

    name: ClassVar[str] = "store"  # type: ignore[misc]  # the same for all
    few_valued: ClassVar[bool] = True
    steps: ClassVar[int] = 0  # type: ignore[misc]
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
          before: a network of few values.
          about: what every phase is told.
        """
        alive = without_dead_units(before, about)
        stored = jax.tree.map(lambda w: _as(DTYPES[self.dtype], w), alive.params)
        rounded = with_rounded_biases(stored, stored, self.bias_bits, about.network)
        return alive._replace(params=values(rounded))


def _as(dtype: jax.typing.DTypeLike, w: jax.Array) -> jax.Array:
    return w.astype(dtype) if jnp.issubdtype(w.dtype, jnp.floating) else w
