"""Adds the penalty of a phase to its optimizer."""

from typing import NamedTuple

import optax

from jaxcomp.arguments import check_choice
from jaxcomp.choices import GROUPS, Groups, Scope
from jaxcomp.losses import PENALTIES
from jaxcomp.prox import PROXES
from jaxcomp.recipe.phase import Optimizer
from jaxcomp.tracing import Network
from jaxcomp.transforms import add_compressibility, add_penalty, apply_prox, prox_adam

GATES = "l0_hard_concrete"
PROX = "prox_"  # precedes the name of a proximal operator
NAMES = (
    "none",
    *(name for name in PENALTIES if name != "ternary_gap"),  # `ternary_gap` has a phase of its own
    *(PROX + name for name in PROXES),
)


class Penalty(NamedTuple):
    """Holds a penalty of the loss, `strength * P`, and the term `l2 * ||w||^2 / 2`."""

    name: str  # one of `NAMES`
    strength: float
    scope: Scope
    groups: Groups | None
    level_strength: float  # factor of the ternary level, for l1_over_l2
    l2: float
    decoupled: bool  # whether Adam leaves it unscaled, like the weight decay of AdamW

    def check(self) -> None:
        """Raise a ValueError unless the values fit together."""
        check_choice("penalty", self.name, NAMES)
        if self.groups is not None:
            check_choice("groups", self.groups, GROUPS)
        if self.level_strength and (self.name != "l1_over_l2" or self.groups is not None):
            raise ValueError(
                f"level_strength={self.level_strength} is for l1_over_l2 without groups: set it to "
                f"0, and use l2 with {self.name}"
            )

    def optimizer(self, by: Optimizer, network: Network | None) -> Optimizer:
        """Return an optimizer with the penalty.

        Args:
          by: the optimizer. Adam replaces it for a decoupled penalty, and for a proximal operator
            that is not decoupled.
          network: from `jaxcomp.trace`, or None.
        """
        ridge = add_penalty("l2", self.l2, network=network) if self.l2 else optax.identity()
        if self.name.startswith(PROX):
            return self._with_prox(ridge, by)
        penalty = self._added(network)

        def optimizer(rate: optax.Schedule) -> optax.GradientTransformation:
            if self.decoupled:
                scale = optax.scale_by_learning_rate(rate)
                return optax.chain(ridge, optax.scale_by_adam(), penalty, scale)
            return optax.chain(penalty, ridge, by(rate))

        return optimizer

    def _added(self, network: Network | None) -> optax.GradientTransformation:
        if self.name == "none":
            return optax.identity()
        if self.name == GATES:
            return add_penalty(GATES, self.strength)
        if self.name == "l1_over_l2" and self.groups is None:
            return add_compressibility(
                self.strength,
                scope=self.scope,
                level_strength=self.level_strength,
                network=network,
            )
        return add_penalty(
            self.name, self.strength, scope=self.scope, groups=self.groups, network=network
        )

    def _with_prox(self, ridge: optax.GradientTransformation, by: Optimizer) -> Optimizer:
        prox = self.name.removeprefix(PROX)

        def optimizer(rate: optax.Schedule) -> optax.GradientTransformation:
            if self.decoupled:
                return optax.chain(ridge, by(rate), apply_prox(prox, self.strength, rate))
            return optax.chain(ridge, prox_adam(prox, self.strength, rate))

        return optimizer
