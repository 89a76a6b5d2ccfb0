"""Who sees the states of each phase."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcomp.train import TrainState

PyTree = Any
ToParams = Callable[[TrainState], PyTree]
Look = Callable[[TrainState], None]


class Watch(NamedTuple):
    """Holds functions that are called while a recipe runs."""

    # From the name of a phase, and a function from its states to the parameters that they stand
    # for, to the function that looks at its states.
    look: Callable[[str, ToParams], Look] = lambda phase, to_params: lambda state: None
    # From the name of a phase and the state it starts from to the one from which it is resumed.
    resume: Callable[[str, TrainState], TrainState] = lambda phase, start: start
    # Is given the name of a phase and its last state.
    done: Callable[[str, TrainState], None] = lambda phase, end: None


UNWATCHED = Watch()


def both(first: Watch, second: Watch) -> Watch:
    """Return who calls both, the first one first; it resumes as the second one says."""

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
