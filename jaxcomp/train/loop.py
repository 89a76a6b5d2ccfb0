"""The training loop: steps, and a look at the state now and then."""

from collections.abc import Callable, Iterable
from typing import Any

from jaxcomp.train.step import TrainState


class NonFiniteLossError(FloatingPointError):
    """Training was stopped because the loss became infinite or NaN."""


def fit(
    step: Callable[[TrainState, Any], TrainState],
    state: TrainState,
    batches: Iterable[Any],
    *,
    steps: int,
    look_every: int,
    look: Callable[[TrainState], None] = lambda state: None,
) -> TrainState:
    """Make `steps` steps and return the last state.

    Args:
      step: a compiled step (`jaxcomp.train.make_step`). It is called from Python each time, which
        on CPUs is the fast form for convolutional networks.
      state: where to start from; its memory is given away.
      batches: at least `steps` batches, as `step` takes them.
      steps: number of steps to make.
      look_every: number of steps between looks at the state; also after the last step.
      look: called with the state to log or evaluate it, not before the first step. It must not
        keep the state's arrays, whose memory the next step takes; `np.array` copies them.

    Raises:
      NonFiniteLossError: at the next look after a loss that was not finite; names the step.
      ValueError: if the batches run out.
    """
    source = iter(batches)
    for done in range(1, steps + 1):
        try:
            batch = next(source)
        except StopIteration:
            raise ValueError(f"the batches ran out after {done - 1} of {steps} steps") from None
        state = step(state, batch)
        if done % look_every == 0 or done == steps:
            _check_finite(state)
            look(state)
    return state


def _check_finite(state: TrainState) -> None:
    bad = int(state.first_bad_step)
    if bad:
        raise NonFiniteLossError(
            f"the loss was not finite at step {bad}, and training was stopped: lower the learning "
            "rate or the weight of the penalty, or look for bad values in the data"
        )
