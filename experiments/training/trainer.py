"""One phase of training after the other, by the loop that suits the device."""

import itertools
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import optax
from flax import linen as nn

from experiments.devices.mesh import Placement
from experiments.settings.settings import Settings
from experiments.training.objective import Network, classification_loss, settled
from jaxcomp.data import Examples, Split, shuffled_indices
from jaxcomp.parametrized import values
from jaxcomp.recipe.loop import objective
from jaxcomp.recipe.watch import Watch
from jaxcomp.train import TrainState, fit, fit_scan, make_scan, make_step
from jaxcomp.train.processes import gathered

PyTree = Any

# Of the batches, by phase.
ORDERS = {"dense": 0, "penalty": 0, "fine-tune": 1, "quantize": 2, "gap": 3, "settle": 4}


class Trainer:
    """Makes the training steps of one phase after the other, on the same model and data.

    It is a `jaxcomp.recipe.phase.Train`.
    """

    def __init__(
        self,
        settings: Settings,
        model: nn.Module,
        examples: Split,
        watch: Watch,
        whole: Callable[[PyTree], PyTree] = lambda params: params,
        *,
        dropout: bool = False,
    ):
        """Take what all phases have in common.

        Args:
          settings: of the run.
          model: that is trained.
          examples: that it learns from.
          watch: is shown settled parameters.
          whole: makes what is shown of those of this model.
          dropout: whether units are dropped.
        """
        self._training, self._large = settings.training, settings.network.to_train()
        self._model, self._examples = model, examples
        self._watch, self._whole, self._dropout = watch, whole, dropout
        # What is smaller than the network of the settings is so small that it is everywhere.
        by_rules = model == self._large
        self._place = Placement(self._training.mesh, self._training.batch_size, by_rules=by_rules)

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
        training = self._training
        loss = classification_loss(
            self._model.apply,
            training.distillation,
            dropout=self._dropout,
            augment=training.augment,
            ask=self._large.apply,
        )

        def shown(state: TrainState) -> PyTree:
            state = _gathered(state)
            network = Network(values(state.params), state.model_state.batch_stats)
            return self._whole(settled(network))

        state = self._fit(
            (objective(loss, True), optimizer, jax.random.key(training.seed)),
            self._watch.resume(phase, self._place.state(start)),
            (training.seed, ORDERS[phase]),
            steps=steps,
            look_every=training.look_every,
            look=self._watch.look(phase, shown),
        )
        self._watch.done(phase, state)
        return _gathered(state)

    @cached_property
    def _placed(self) -> Examples:
        """Return the examples on the devices, where they stay from phase to phase."""
        return self._place.examples(self._examples)

    def _fit(
        self, step: tuple, state: TrainState, seeds: tuple, *, steps: int, **options: Any
    ) -> TrainState:
        """Make the steps that are left by the loop of the settings; each makes the same."""
        examples, size, made = self._examples, self._training.batch_size, int(state.step)
        options["steps"] = steps - made
        if examples.in_memory and on_device(self._training.loop):
            scan = make_scan(*step)
            return fit_scan(
                lambda state, examples, order: scan(state, examples, self._place.order(order)),
                state,
                self._placed,
                itertools.islice(shuffled_indices(examples.number, size, seeds), made, None),
                **options,
            )
        part = self._place.part_of_batches()
        batches = examples.shuffled_batches(size, seeds, start=made, part=part)
        return fit(make_step(*step), state, map(self._place.batch, batches), **options)


def _gathered(state: TrainState) -> TrainState:
    """Return a state whose network this process has whole."""
    params, batch_stats = gathered((state.params, state.model_state.batch_stats))
    beside = state.model_state._replace(batch_stats=batch_stats)
    return state._replace(params=params, model_state=beside)


def on_device(loop: str) -> bool:
    """Tell whether steps are made by the device: on accelerators, unless `loop` says."""
    return loop == "device" or (loop == "auto" and jax.default_backend() != "cpu")
