"""Defines functions that look at the states of each phase."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcomp.train import TrainState

PyTree = Any
ToParams = Callable[[TrainState], PyTree]
Look = Callable[[TrainState], None]


class Watch(NamedTuple):
    """Holds functions that are called while a recipe runs."""

    # `look` returns the function that looks at the states of a phase, given the name of the phase
    # and a function that returns the parameters of a state.
    look: Callable[[str, ToParams], Look] = lambda phase, to_params: lambda state: None
    # `resume` returns the state at which a phase resumes, given its name and its first state.
    resume: Callable[[str, TrainState], TrainState] = lambda phase, start: start
    # `done` is called with the name of a phase and its last state.
    done: Callable[[str, TrainState], None] = lambda phase, end: None


UNWATCHED = Watch()


def both(first: Watch, second: Watch) -> Watch:
    """Return a watch that calls both, the first one first; the second one resumes first."""

    def look(phase: str, to_params: ToParams) -> Look:
        looks = first.look(phase, to_params), second.look(phase, to_params)

        def see(state: TrainState) -> None:
            for one in looks:
                one(state)

        return see

    def resume(phase: str, start: TrainState) -> TrainState:
        return first.resume(phase, second.resume(phase, start))

    def done(phase: str, end: TrainState) -> None:
        first.done(phase, end)
        second.done(phase, end)

    return Watch(look, resume, done)
