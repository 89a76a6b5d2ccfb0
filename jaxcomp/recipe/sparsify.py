"""Trains with a penalty, and prunes."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from jaxcomp.arguments import check_choice, check_number
from jaxcomp.choices import ARRAY_SCOPES, ArrayScope, Groups, Scope
from jaxcomp.losses import gate
from jaxcomp.prune import apply_mask, remove_dead_units, structured_magnitude, top_k_mask
from jaxcomp.prune.masks import check_density
from jaxcomp.recipe.penalties import GATES, Penalty
from jaxcomp.recipe.phase import About, Trained, Training, TrainingPhase, cosine, hold
from jaxcomp.transforms import prune_gradually


@dataclass(frozen=True, kw_only=True)
class Sparsify(TrainingPhase):
    """Trains with a penalty, and keeps the weights of the largest magnitudes.

    Attributes:
      density: fraction of the weights to keep, in (0, 1].
      penalty: name of a penalty of `jaxcomp.losses.PENALTIES`, `prox_` and a name of
        `jaxcomp.prox.PROXES`, or `"none"`.
      strength: strength of the penalty, at least 0.
      scope: scope of the penalty, as for `jaxcomp.add_penalty`.
      groups: groups of the penalty, as for `jaxcomp.add_penalty`.
      level_strength: as for `jaxcomp.add_compressibility`, for `l1_over_l2` without groups.
      l2: strength of `||w||^2 / 2` in the loss, at least 0.
      decoupled: whether Adam leaves the penalty unscaled, as AdamW does with weight decay.
      prune_steps: number of steps in which the density falls, as a polynomial of degree 3 (Zhu and
        Gupta, arXiv 1710.01878), while the learning rate is constant. 0 prunes at the end.
      prune_scope: `"global"` to rank all weights together, `"tensor"` to rank each tensor alone.
      structure: how much weights of full rows and columns are preferred while the density falls, as
        for `jaxcomp.prune.structured_magnitude`.

    Example:
      >>> from jaxcomp.recipe import Recipe, Sparsify, Store
      >>> sparsify = Sparsify(steps=800, density=0.1, strength=1e-2, prune_steps=500)
      >>> [phase.name for phase in Recipe(sparsify, Store()).phases]
      ['sparsify', 'store']
    """

    name: str = "sparsify"
    density: float
    penalty: str = "l1_over_l2"
    strength: float = 0.0
    scope: Scope = "global"
    groups: Groups | None = None
    level_strength: float = 0.0
    l2: float = 0.0
    decoupled: bool = False
    prune_steps: int = 0
    prune_scope: ArrayScope = "global"
    structure: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_density(self.density)
        for name in ("strength", "level_strength", "l2", "structure"):
            check_number(name, getattr(self, name), "at least 0", lambda value: value >= 0)
        check_choice("prune_scope", self.prune_scope, ARRAY_SCOPES)
        wanted = f"from 0 to steps, {self.steps}"
        check_number(
            "prune_steps", self.prune_steps, wanted, lambda n: 0 <= n <= self.steps, integer=True
        )
        self._penalty().check()

    def begin(self, before: Trained, about: About) -> Training:
        """Return the parameters, some of them with gates, and an optimizer with the penalty."""
        rate = cosine(self.learning_rate, self.steps, constant_steps=self.prune_steps)
        chain = [self._penalty().optimizer(about.optimizer, about.network)(rate)]
        if self.prune_steps:
            chain.append(
                prune_gradually(
                    optax.polynomial_schedule(1.0, self.density, 3, self.prune_steps),
                    scope=self.prune_scope,
                    score=structured_magnitude(self.structure),
                    network=about.network,
                )
            )
        params = gate(before.params) if self.penalty == GATES else before.params
        return Training(params, optax.chain(*chain, hold(before.keep)))

    def end(self, after: Trained, about: About) -> Trained:
        """Return the network with the weights that are kept, without units that cannot matter."""
        keep = top_k_mask(after.params, self.density, scope=self.prune_scope, network=about.network)
        return without_dead_units(
            Trained(apply_mask(after.params, keep), after.model_state, keep), about
        )

    def _penalty(self) -> Penalty:
        return Penalty(
            self.penalty,
            self.strength,
            self.scope,
            self.groups,
            self.level_strength,
            self.l2,
            self.decoupled,
        )


def without_dead_units(trained: Trained, about: About) -> Trained:
    """Return the network with zeros, which stay, for units that cannot matter.

    A network is left as it is if it was not traced, or if it has running statistics, which depend
    on these units too.
    """
    if about.network is None or trained.model_state is not None:
        return trained
    params = jax.tree.map(jnp.asarray, remove_dead_units(trained.params, about.network).params)
    return Trained(params, None, jax.tree.map(lambda w: w != 0, params))
