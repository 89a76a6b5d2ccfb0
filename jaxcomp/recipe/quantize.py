"""Trains weights that have few values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import optax

from jaxcomp.arguments import check_choice
from jaxcomp.choices import PER, Level, Per
from jaxcomp.parametrized import latent_mask
from jaxcomp.quantize import LEVELS
from jaxcomp.quantizers import QUANTIZERS, TRAINED
from jaxcomp.recipe.biases import check_bias_bits, with_rounded_biases
from jaxcomp.recipe.phase import About, Trained, Training, TrainingPhase, cosine, hold
from jaxcomp.tracing import Network
from jaxcomp.trees import named_leaves, weight_mask

PyTree = Any


@dataclass(frozen=True, kw_only=True)
class Quantize(TrainingPhase):
    """Trains signs, levels and rounded biases, straight through, by Adam.

    A second such phase starts from weights at their levels. Where two levels meet, a latent weight
    is pushed back and forth at any learning rate, and so is the loss.

    Attributes:
      quantizer: one of `jaxcomp.quantizers` that can be trained: `"levels"` for a few magnitudes
        and zero, `"bits"` for multiples of a step (`jaxcomp.quantize.uniform`).
      number: for each tensor, the number of magnitudes, at least 1 (ternary, `{-c, 0, c}`), or the
        number of bits, from 2 to 8.
      by_layer: other numbers for single tensors, by name (`jaxcomp.trees.path_name`).
      level: how one magnitude is fitted, as for `jaxcomp.quantize.ternarize`.
      per: `"tensor"` for levels of each tensor, `"unit"` of each output unit.
      bias_bits: bits of biases and of everything else that is not weights, from 2 to 8; 0 leaves
        them as they are.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxcomp.parametrized import values
      >>> from jaxcomp.recipe import Quantize
      >>> ternary = Quantize(steps=800, number=1)
      >>> pruned = {"kernel": jnp.array([[1.0, -3.0], [0.0, 0.0]])}
      >>> values(ternary.quantized(pruned))["kernel"].tolist()  # its training starts here
      [[2.5, -2.5], [0.0, 0.0]]
    """

    name: str = "quantize"
    few_valued: ClassVar[bool] = True
    quantizer: str = "levels"
    number: int = 1
    by_layer: Mapping[str, int] = field(default_factory=dict)
    level: Level = "theorem"
    per: Per = "tensor"
    bias_bits: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("quantizer", self.quantizer, TRAINED)
        quantizer = QUANTIZERS[self.quantizer]
        for name, number in {"number": self.number, **self.by_layer}.items():
            quantizer.check(name, number)
        check_choice("level", self.level, LEVELS)
        per_unit = TRAINED[self.quantizer].per_unit
        check_choice("per", self.per, PER if per_unit else ("tensor",))
        check_bias_bits("bias_bits", self.bias_bits)

    def begin(self, before: Trained, about: About) -> Training:
        """Return the parameters as levels and rounded numbers, and Adam."""
        params, network = before.params, about.network
        trained = with_rounded_biases(
            params, self.quantized(params, network), self.bias_bits, network
        )
        keep = None if before.keep is None else latent_mask(trained, before.keep)
        rate = cosine(self.learning_rate, self.steps)
        return Training(trained, optax.chain(optax.adam(rate), hold(keep)))

    def quantized(self, params: PyTree, network: Network | None = None) -> PyTree:
        """Return the tree with what the quantizer trains in place of weights.

        Raises:
          ValueError: if a name in `by_layer` is not that of a weight.
        """
        structure: jax.tree_util.PyTreeDef
        leaves, structure = jax.tree.flatten(params)
        are_weights = jax.tree.leaves(weight_mask(params, network=network))
        names = list(named_leaves(params))
        weights = [name for name, one in zip(names, are_weights, strict=True) if one]
        unknown = [name for name in self.by_layer if name not in weights]
        if unknown:
            raise ValueError(f"by_layer names {unknown[0]!r}: weights are {', '.join(weights)}")
        numbers = {name: self.by_layer.get(name, self.number) for name in weights}
        quantize = TRAINED[self.quantizer].function
        options = {"level": self.level, "per": self.per, "network": network}
        for number in set(numbers.values()):
            chosen = [numbers.get(name) == number for name in names]
            quantized = quantize(params, number, mask=structure.unflatten(chosen), **options)
            new = structure.flatten_up_to(quantized)
            leaves = [
                one if of_number else before
                for one, of_number, before in zip(new, chosen, leaves, strict=True)
            ]
        return structure.unflatten(leaves)
