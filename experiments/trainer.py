"""One phase of training after the other, by the loop that suits the device."""

import itertools
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import linen as nn
from ml_collections import ConfigDict

from experiments.feed import Data
from experiments.mesh import Placement
from experiments.networks import trained_model
from experiments.objective import Beside, Network, Taught, classification_loss, settled
from experiments.optimizers import constant_then_cosine
from experiments.penalty import Method
from experiments.processes import whole
from jaxcomp.data import Examples, Stream, shift_and_flip, shuffled_indices, take
from jaxcomp.train import TrainState, fit, fit_scan, init_state, make_scan, make_step

PyTree = Any
ToParams = Callable[[TrainState], PyTree]
Look = Callable[[TrainState], None]

LOOPS = ("auto", "python", "device")


class Watch(NamedTuple):
    """Who sees the states of each phase."""

    # From the name of a phase, and a function from its states to settled parameters of the model,
    # to the function that looks at its states.
    look: Callable[[str, ToParams], Look]
    # From the name of a phase and the state it starts from to the one it goes on from.
    resume: Callable[[str, TrainState], TrainState] = lambda phase, start: start
    # Is given the name of a phase and its last state.
    done: Callable[[str, TrainState], None] = lambda phase, end: None


UNWATCHED = Watch(lambda phase, to_params: lambda state: None)


class Trainer:
    """Runs one phase after the other on the same model and data."""

    def __init__(
        self,
        config: ConfigDict,
        model: nn.Module,
        examples: Data,
        watch: Watch,
        whole: Callable[[PyTree], PyTree] = lambda params: params,
        teacher: PyTree = None,
    ):
        """What is watched is made of this model's parameters by `whole`; a teacher is asked."""
        self._config, self._model, self._examples = config, model, examples
        self._watch, self._whole, self._teacher = watch, whole, teacher
        # What is smaller than the model of the configuration is so small that it is everywhere.
        self._place = Placement(config, by_rules=model == trained_model(config))

    def __call__(
        self,
        phase: str,
        order: int,
        settings: ConfigDict,
        network: Network,
        *,
        method: Method,
        after: tuple[optax.GradientTransformation, ...] = (),
        constant_steps: int = 0,
        dropout: bool = False,
    ) -> Network:
        """The network at the end of a phase.

        Args:
          phase: its name, for those who watch.
          order: which order of the batches.
          settings: number of steps and learning rate, constant for `constant_steps`, then with
            cosine decay to zero.
          network: where to start from.
          method: what is trained, and how.
          after: what comes after the optimizer in the chain.
          constant_steps: see `settings`.
          dropout: whether units are dropped while training.
        """
        config = self._config
        loss = classification_loss(
            self._model.apply,
            config.distill,
            dropout=dropout,
            augment=augmentation(config),
            ask=trained_model(config).apply,
        )
        rate = constant_then_cosine(settings.learning_rate, constant_steps, settings.steps)
        optimizer = optax.chain(method.optimizer(rate), *after)

        def objective(
            trained: PyTree, beside: Beside, batch: Examples | Taught, key: jax.Array
        ) -> tuple[jax.Array, Beside]:
            sample, rest = jax.random.split(key)
            return loss(method.sample(trained, sample), beside, batch, rest)

        def network_of(state: TrainState) -> Network:
            params, batch_stats = whole((state.params, state.model_state.batch_stats))
            return Network(method.end(params), batch_stats)

        start = init_state(
            method.start(network.params), optimizer, Beside(network.batch_stats, self._teacher)
        )
        state = self._fit(
            (objective, optimizer, jax.random.key(config.seed)),
            self._watch.resume(phase, self._place.state(start)),
            (config.batch_size, (config.seed, order)),
            steps=settings.steps,
            look_every=config.look_every,
            look=self._watch.look(phase, lambda state: self._whole(settled(network_of(state)))),
        )
        self._watch.done(phase, state)
        return network_of(state)

    @cached_property
    def _placed(self) -> Examples | Taught:
        """The examples on the devices, where they stay from phase to phase."""
        return self._place.examples(self._examples)

    def _fit(
        self, step: tuple, state: TrainState, order: tuple, *, steps: int, **options: Any
    ) -> TrainState:
        """By the loop of the configuration, the same steps by each; those made are left out."""
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


def augmentation(config: ConfigDict) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
    """What training does to images, or None."""
    if not config.data.shift and not config.data.flip:
        return None
    return partial(shift_and_flip, most=config.data.shift, flip=config.data.flip)


def on_device(loop: str) -> bool:
    """Whether steps are made by the device: on accelerators, unless the configuration says."""
    return loop == "device" or (loop == "auto" and jax.default_backend() != "cpu")
