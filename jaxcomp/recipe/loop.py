"""Makes the training steps of a phase."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxcomp.parametrized import values
from jaxcomp.recipe.batches import Batches, Source
from jaxcomp.recipe.start import check_loss, telling
from jaxcomp.recipe.watch import Watch
from jaxcomp.train import TrainState, fit, make_step

PyTree = Any
Loss = Callable[..., Any]


class Loop:
    """Makes the training steps of one phase after the other (a `jaxcomp.recipe.phase.Train`)."""

    def __init__(
        self,
        loss: Loss,
        batches: Batches,
        key: jax.Array,
        watch: Watch,
        look_every: int,
    ) -> None:
        """Set what all phases share; see `Recipe.run`."""
        self._loss, self._source, self._key = loss, Source(batches), key
        self._watch, self._look_every = watch, look_every
        self._made = 0  # steps of the phases before

    def __call__(
        self, phase: str, start: TrainState, optimizer: optax.GradientTransformation, steps: int
    ) -> TrainState:
        """Return the state after the steps of a phase.

        Args:
          phase: name of the phase.
          start: the state before its first step.
          optimizer: optimizer of the phase.
          steps: number of steps to make.
        """
        key = jax.random.fold_in(self._key, self._made)
        step = make_step(objective(self._loss, start.model_state is not None), optimizer, key)
        state = self._watch.resume(phase, start)
        made = int(state.step)
        state = fit(
            step,
            state,
            self._source.from_step(self._made + made),
            steps=steps - made,
            look_every=self._look_every,
            look=self._watch.look(phase, lambda state: values(state.params)),
        )
        self._made += steps
        self._watch.done(phase, state)
        return state


def objective(loss: Loss, has_state: bool) -> Loss:
    """Return the loss as a function of the parameters in the form in which they are trained."""

    call = "loss(params, model_state, batch, key)" if has_state else "loss(params, batch, key)"

    def of_trained(trained: PyTree, *rest: Any) -> Any:
        *model_state, batch, key = rest
        sample, key = jax.random.split(key)
        with telling(call, batch):
            found = loss(values(trained, sample), *model_state, batch, key)
            check_loss(found, has_state)
        return found

    return of_trained
