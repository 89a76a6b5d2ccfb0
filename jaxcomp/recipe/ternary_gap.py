"""Trains towards ternary weights."""

from dataclasses import dataclass

import optax

from jaxcomp.arguments import check_number
from jaxcomp.choices import Per
from jaxcomp.recipe.phase import About, Trained, Training, TrainingPhase, cosine, hold
from jaxcomp.transforms import add_penalty


@dataclass(frozen=True, kw_only=True)
class TernaryGap(TrainingPhase):
    """Trains the remaining weights with a penalty that is zero where they are ternary.

    Attributes:
      strength: strength of the penalty at the end, at least 0; it grows from zero.
      per: `"tensor"` for one level in each tensor, `"unit"` for one in each output unit.

    Example:
      >>> from jaxcomp.recipe import Quantize, Recipe, Sparsify, Store, TernaryGap
      >>> sparsify, gap = Sparsify(steps=800, density=0.1), TernaryGap(steps=400, strength=0.1)
      >>> [phase.name for phase in Recipe(sparsify, gap, Quantize(steps=400), Store()).phases]
      ['sparsify', 'gap', 'quantize', 'store']
    """

    name: str = "gap"
    strength: float
    per: Per = "tensor"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("strength", self.strength, "at least 0", lambda strength: strength >= 0)

    def begin(self, before: Trained, about: About) -> Training:
        """Return the parameters, and the user's optimizer with the penalty."""
        ramp = optax.linear_schedule(0.0, self.strength, max(1, self.steps))
        gap = add_penalty("ternary_gap", ramp, scope=self.per, network=about.network)
        rate = cosine(self.learning_rate, self.steps)
        return Training(before.params, optax.chain(gap, about.optimizer(rate), hold(before.keep)))
