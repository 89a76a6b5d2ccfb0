"""Trains without a penalty."""

from dataclasses import dataclass

import optax

from jaxcomp.arguments import check_number
from jaxcomp.recipe.phase import About, Trained, Training, TrainingPhase, cosine, hold
from jaxcomp.transforms import add_penalty


@dataclass(frozen=True, kw_only=True)
class Dense(TrainingPhase):
    """Trains all weights that are not pruned, as floating-point numbers.

    Attributes:
      l2: strength of `||w||^2 / 2` in the loss, at least 0.

    Example:
      >>> from jaxcomp.recipe import Dense, Recipe, Store
      >>> recipe = Recipe(Dense(steps=800, learning_rate=1e-3, l2=1e-4), Store())
      >>> [(phase.name, phase.steps) for phase in recipe.phases]
      [('dense', 800), ('store', 0)]
    """

    name: str = "dense"
    l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("l2", self.l2, "at least 0", lambda strength: strength >= 0)

    def begin(self, before: Trained, about: About) -> Training:
        """Return the parameters, and the user's optimizer."""
        ridge = add_penalty("l2", self.l2, network=about.network) if self.l2 else optax.identity()
        rate = cosine(self.learning_rate, self.steps)
        return Training(before.params, optax.chain(ridge, about.optimizer(rate), hold(before.keep)))


@dataclass(frozen=True, kw_only=True)
class FineTune(Dense):
    """Trains the weights that pruning has left, as floating-point numbers.

    This is `Dense` with another name: both keep pruned weights at zero.

    Example:
      >>> from jaxcomp.recipe import FineTune, Recipe, Sparsify, Store
      >>> recipe = Recipe(Sparsify(steps=800, density=0.1), FineTune(steps=200), Store())
      >>> [phase.name for phase in recipe.phases]
      ['sparsify', 'fine-tune', 'store']
    """

    name: str = "fine-tune"
