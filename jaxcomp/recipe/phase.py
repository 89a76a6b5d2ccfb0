"""Defines phases of a recipe, and what they share."""

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
Optimizer = Callable[[optax.Schedule], optax.GradientTransformation]  # from the learning rate


class Trained(NamedTuple):
    """Holds a network between two phases: parameters, model state and mask."""

    params: PyTree  # tree of arrays
    model_state: PyTree = None  # what the loss updates beside them, such as running statistics
    keep: PyTree = None  # bool arrays, False for pruned weights; None if none is pruned


# A judge returns the loss on held-out batches, given parameters and model state.
Judge = Callable[[PyTree, PyTree], float]


class About(NamedTuple):
    """Holds what every phase receives: the optimizer, the traced network and the held-out loss."""

    optimizer: Optimizer = optax.adam
    network: Network | None = None  # from `jaxcomp.trace`; without it, names tell weights
    judge: Judge | None = None  # None without held-out batches
    tell: Callable[[str], None] = lambda note: None  # called with a note for the user


# This function makes training steps. It takes the name of a phase, the state to start from, an
# optimizer and a number of steps, and returns the last state.
Train = Callable[[str, TrainState, optax.GradientTransformation, int], TrainState]


class Training(NamedTuple):
    """Holds what a phase trains, and its optimizer."""

    params: PyTree  # arrays, and `jaxcomp.parametrized.Parametrized` nodes
    optimizer: optax.GradientTransformation


class Phase(ABC):
    """Turns a network into the next one: one phase of a recipe.

    Attributes:
      name: name in reports, and of the folder of its checkpoints.
      steps: number of training steps that it makes.
      few_valued: whether its weights have few values in the end, so that their file is small.
    """

    name: str
    steps: int
    few_valued: ClassVar[bool] = False

    def check(self, start: Trained, about: About) -> None:
        """Raise a ValueError if the phase cannot succeed, before the first phase of a run.

        Args:
          start: the network that the run starts from.
          about: what every phase receives.
        """
        del start, about

    @abstractmethod
    def run(self, before: Trained, about: About, train: Train) -> Trained:
        """Return the network after the phase.

        Args:
          before: the network before the phase.
          about: what every phase receives.
          train: makes training steps.
        """


@dataclass(frozen=True, kw_only=True)
class PhaseOfSteps(Phase):
    """Has a number of steps and a learning rate.

    Attributes:
      steps: number of training steps that the phase makes.
      learning_rate: first learning rate, finite and positive; it falls to zero by a cosine.
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
        """Return what to train, and the optimizer."""

    def end(self, after: Trained, about: About) -> Trained:
        """Return the result of the phase, given the network that was trained."""
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
    """Return a transform that holds pruned weights at zero; it belongs at the end of a chain."""
    return optax.identity() if keep is None else keep_masked(keep)


def judge_of(about: About) -> Judge:
    """Return the judge of a phase that makes choices.

    Raises:
      ValueError: if there are no held-out batches.
    """
    if about.judge is None:
        raise ValueError("choices are made on validation batches: give validation=")
    return about.judge
