"""What the phases of a recipe have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import optax

from jaxcomp.arguments import check_number
from jaxcomp.parametrized import values
from jaxcomp.tracing import Network
from jaxcomp.train import TrainState, init_state
from jaxcomp.transforms import keep_masked

PyTree = Any
Optimizer = Callable[[optax.Schedule], optax.GradientTransformation]  # from its learning rate


class Trained(NamedTuple):
    """Holds a network between two phases."""

    params: PyTree  # of arrays
    model_state: PyTree = None  # what the loss carries on beside them, such as running statistics
    keep: PyTree = None  # bool arrays, False for weights that are pruned; None if none is


# From parameters and model state to the loss on held-out batches.
Judge = Callable[[PyTree, PyTree], float]


class About(NamedTuple):
    """Holds what every phase is told."""

    optimizer: Optimizer = optax.adam
    network: Network | None = None  # from `jaxcomp.trace`; without it weights go by their names
    judge: Judge | None = None  # None if there are no held-out batches
    tell: Callable[[str], None] = lambda note: None  # takes what the user should know


# From the name of a phase, the state it starts from, an optimizer and a number of steps to the
# state after them.
Train = Callable[[str, TrainState, optax.GradientTransformation, int], TrainState]


class Training(NamedTuple):
    """Holds what a phase trains, and by which optimizer."""

    params: PyTree  # arrays, and `jaxcomp.parametrized.Parametrized` nodes
    optimizer: optax.GradientTransformation


class Phase(ABC):
    """Makes of a network the next one: one phase of a recipe.

    Attributes:
      name: in reports, and of its folder of checkpoints.
      steps: how many training steps it makes.
      few_valued: whether weights have few values after it, so that a file of them is small.
    """

    name: str
    steps: int
    few_valued: ClassVar[bool] = False

    @abstractmethod
    def run(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the network after the phase.

        Args:
          before: the network before it.
          about: what every phase is told.
          train: makes training steps.
        """


@dataclass(frozen=True, kw_only=True)
class PhaseOfSteps(Phase):
    """Has a number of steps and a learning rate.

    Attributes:
      steps: how many training steps it makes.
      learning_rate: at the first step, finite and positive; it falls to zero by a cosine.
    """

    steps: int
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        wanted = "a number of steps, at least 0"
        check_number("steps", self.steps, wanted, lambda n: n >= 0, integer=True)
        check_number("learning_rate", self.learning_rate, "greater than 0", lambda r: r > 0)


@dataclass(frozen=True, kw_only=True)
class TrainingPhase(PhaseOfSteps):
    """Trains a network in one form, by one optimizer, from the first step to the last."""

    @abstractmethod
    def begin(self, before: Trained, about: About) -> Training:
        """Return what is trained, and how."""

    def end(self, after: Trained, about: About) -> Trained:
        """Return what the phase hands on of the network that was trained."""
        del about
        return after

    def trained(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the network as it was trained, before `end`."""
        params, optimizer = self.begin(before, about)
        start = init_state(params, optimizer, before.model_state)
        state = train(self.name, start, optimizer, self.steps)
        return before._replace(params=values(state.params), model_state=state.model_state)

    def run(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the network after the phase; see `Phase.run`."""
        return self.end(self.trained(before, about, train), about)


def cosine(rate: float, steps: int, *, constant_steps: int = 0) -> optax.Schedule:
    """Return a rate that is constant for `constant_steps`, then falls to zero at `steps`."""
    return optax.join_schedules(
        [
            optax.constant_schedule(rate),
            optax.cosine_decay_schedule(rate, max(1, steps - constant_steps)),
        ],
        [constant_steps],
    )


def hold(keep: PyTree) -> optax.GradientTransformation:
    """Return what holds pruned weights at zero; it belongs at the end of a chain."""
    return optax.identity() if keep is None else keep_masked(keep)


def judge_of(about: About) -> Judge:
    """Return the judge of a phase that makes choices.

    Raises:
      ValueError: if there are no held-out batches.
    """
    if about.judge is None:
        raise ValueError("choices are made on validation batches: give validation=")
    return about.judge
