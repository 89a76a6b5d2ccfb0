"""One phase of training after the other, by the loop that suits the device."""

import itertools
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from ml_collections import ConfigDict

from experiments.feed import Data
from experiments.mesh import Placement
from experiments.networks import trained_model
from experiments.objective import Network, Taught, classification_loss, settled
from jaxcomp.data import Examples, Stream, shift_and_flip, shuffled_indices, take
from jaxcomp.parametrized import values
from jaxcomp.recipe.loop import objective
from jaxcomp.recipe.watch import Watch
from jaxcomp.train import TrainState, fit, fit_scan, make_scan, make_step
from jaxcomp.train.processes import whole

PyTree = Any

LOOPS = ("auto", "python", "device")
# Of the batches, by phase.
ORDERS = {"dense": 0, "penalty": 0, "fine-tune": 1, "quantize": 2, "gap": 3, "settle": 4}


class Trainer:
    """Makes the training steps of one phase after the other, on the same model and data.

    It is a `jaxcomp.recipe.phase.Train`.
    """

    def __init__(
        self,
        config: ConfigDict,
        model: nn.Module,
        examples: Data,
        watch: Watch,
        whole: Callable[[PyTree], PyTree] = lambda params: params,
        *,
        dropout: bool = False,
    ):
        """Take what all phases have in common.

        Args:
          config: of the run.
          model: that is trained.
          examples: that it learns from.
          watch: is shown settled parameters.
          whole: makes what is shown of those of this model.
          dropout: whether units are dropped.
        """
        self._config, self._model, self._examples = config, model, examples
        self._watch, self._whole, self._dropout = watch, whole, dropout
        # What is smaller than the model of the configuration is so small that it is everywhere.
        self._place = Placement(config, by_rules=model == trained_model(config))

    def __call__(
        self, phase: str, start: TrainState, optimizer: optax.GradientTransformation, steps: int
    ) -> TrainState:
        """Return the state after the steps of a phase, with arrays that this process has whole.

        Args:
          phase: its name.
          start: the state before its first step; what is carried beside the parameters is a
            `Beside`.
          optimizer: of the phase.
          steps: how many to make.
        """
        config = self._config
        loss = classification_loss(
            self._model.apply,
            config.distill,
            dropout=self._dropout,
            augment=augmentation(config),
            ask=trained_model(config).apply,
        )

        def shown(state: TrainState) -> PyTree:
            state = _gathered(state)
            network = Network(values(state.params), state.model_state.batch_stats)
            return self._whole(settled(network))

        state = self._fit(
            (objective(loss, True), optimizer, jax.random.key(config.seed)),
            self._watch.resume(phase, self._place.state(start)),
            (config.batch_size, (config.seed, ORDERS[phase])),
            steps=steps,
            look_every=config.look_every,
            look=self._watch.look(phase, shown),
        )
        self._watch.done(phase, state)
        return _gathered(state)

    @cached_property
    def _placed(self) -> Examples | Taught:
        """The examples on the devices, where they stay from phase to phase."""
        return self._place.examples(self._examples)

    def _fit(
        self, step: tuple, state: TrainState, order: tuple, *, steps: int, **options: Any
    ) -> TrainState:
        """Make the steps that are left by the loop of the configuration; each makes the same."""
        examples, made = self._examples, int(state.step)
        options["steps"] = steps - made
        batch_size, seeds = order
        number, parts = self._place.part_of_batches()
        if isinstance(examples, Stream):
            seed = int(np.random.SeedSequence(seeds).generate_state(1)[0])
            stream = examples.shuffled_batches(batch_size, seed, start=made, part=(number, parts))
            return fit(make_step(*step), state, map(self._place.batch, stream), **options)
        indices = itertools.islice(shuffled_indices(len(examples.labels), *order), made, None)
        if on_device(self._config.loop):
            scan = make_scan(*step)
            return fit_scan(
                lambda state, examples, order: scan(state, examples, self._place.order(order)),
                state,
                self._placed,
                indices,
                **options,
            )
        own = slice(number * batch_size // parts, (number + 1) * batch_size // parts)
        batches = (self._place.batch(take(examples, chosen[own])) for chosen in indices)
        return fit(make_step(*step), state, batches, **options)


def _gathered(state: TrainState) -> TrainState:
    """Return a state whose network this process has whole."""
    params, batch_stats = whole((state.params, state.model_state.batch_stats))
    beside = state.model_state._replace(batch_stats=batch_stats)
    return state._replace(params=params, model_state=beside)


def augmentation(config: ConfigDict) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
    """Return what training does to images, or None."""
    if not config.data.shift and not config.data.flip:
        return None
    return partial(shift_and_flip, most=config.data.shift, flip=config.data.flip)


def on_device(loop: str) -> bool:
    """Whether steps are made by the device: on accelerators, unless the configuration says."""
    return loop == "device" or (loop == "auto" and jax.default_backend() != "cpu")
