"""Training of weights that have few values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import optax

from jaxcomp.arguments import check_choice, check_number
from jaxcomp.choices import PER, Level, Per
from jaxcomp.parametrized import latent_mask
from jaxcomp.quantize import LEVELS, Rounded, few_levels, ternarize
from jaxcomp.recipe.biases import check_bits, with_rounded_biases
from jaxcomp.recipe.phase import About, Trained, Training, TrainingPhase, cosine, hold
from jaxcomp.tracing import Network
from jaxcomp.trees import named_leaves, weight_mask

PyTree = Any


@dataclass(frozen=True, kw_only=True)
class Quantize(TrainingPhase):
    """Train signs, levels and rounded biases, straight through, by Adam.

    A second one starts from weights that are at their levels: where two levels meet, a latent
    weight is pushed to and fro at any learning rate, and the loss with it.

    Attributes:
      levels: magnitudes in each tensor, at least 1: 1 is ternary, `{-c, 0, c}`.
      level: how that one is fitted, as `jaxcomp.quantize.ternarize`.
      per: `"tensor"` for levels of each tensor, `"unit"` of each output unit.
      by_layer: magnitudes of single tensors, by name (`jaxcomp.trees.path_name`).
      bits: from 2 to 8, for multiples of a step in place of levels (`jaxcomp.quantize.uniform`); 0
        for levels.
      bias_bits: from 2 to 8, of biases and all else that is not weights; 0 leaves them as they are.
    """

    name: str = "quantize"
    few_valued: ClassVar[bool] = True
    levels: int = 1
    level: Level = "theorem"
    per: Per = "tensor"
    by_layer: Mapping[str, int] = field(default_factory=dict)
    bits: int = 0
    bias_bits: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted = "a number of magnitudes, at least 1"
        for name, number in {"levels": self.levels, **self.by_layer}.items():
            check_number(name, number, wanted, lambda m: m >= 1, integer=True)
        check_choice("level", self.level, LEVELS)
        check_choice("per", self.per, PER)
        check_bits("bits", self.bits)
        check_bits("bias_bits", self.bias_bits)
        if self.bits and (self.levels > 1 or self.by_layer):
            raise ValueError(
                f"bits={self.bits} are in place of levels: leave out levels={self.levels} and "
                "by_layer, or bits"
            )

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
        """Return the tree with signs and levels, or rounded weights, in place of weights.

        Raises:
          ValueError: if `by_layer` names what is no weight.
        """
        leaves, structure = jax.tree.flatten(params)
        are_weights = jax.tree.leaves(weight_mask(params, network=network))
        names = list(named_leaves(params))
        weights = [name for name, one in zip(names, are_weights, strict=True) if one]
        unknown = [name for name in self.by_layer if name not in weights]
        if unknown:
            raise ValueError(f"by_layer names {unknown[0]!r}: weights are {', '.join(weights)}")
        if self.bits:
            rounded = [
                Rounded(leaf, self.bits) if one else leaf
                for leaf, one in zip(leaves, are_weights, strict=True)
            ]
            return structure.unflatten(rounded)
        numbers = {name: self.by_layer.get(name, self.levels) for name in weights}
        for number in set(numbers.values()):
            chosen = [numbers.get(name) == number for name in names]
            options = {"per": self.per, "mask": structure.unflatten(chosen), "network": network}
            if number == 1:
                quantized = ternarize(params, level=self.level, **options)
            else:
                quantized = few_levels(params, number, **options)
            new = structure.flatten_up_to(quantized)
            leaves = [
                one if of_number else before
                for one, of_number, before in zip(new, chosen, leaves, strict=True)
            ]
        return structure.unflatten(leaves)
