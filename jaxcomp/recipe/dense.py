"""Training without a penalty."""

from dataclasses import dataclass

import optax

from jaxcomp.arguments import check_number
from jaxcomp.recipe.phase import About, Trained, Training, TrainingPhase, cosine, hold
from jaxcomp.transforms import add_penalty


@dataclass(frozen=True, kw_only=True)
class Dense(TrainingPhase):
    """Train all weights that are not pruned, as floating-point numbers.

    Attributes:
      l2: strength of `||w||^2 / 2` in the loss, at least 0.
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
    """Train the weights that pruning has left, as floating-point numbers.

    It is `Dense` by another name: pruned weights stay zero in both.
    """

    name: str = "fine-tune"
