"""What a run is told, as values: unpacked from its configuration once, at the door."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
from ml_collections import ConfigDict

from experiments.settings.networks import NetworkSettings
from experiments.settings.optimizers import OPTIMIZERS
from jaxcomp.data import DATASETS, Splits, shift_and_flip
from jaxcomp.recipe import Dense, FineTune, Quantize, Sparsify, Store, TernaryGap
from jaxcomp.recipe.phase import Optimizer, TrainingPhase


@dataclass(frozen=True)
class DataSettings:
    """Say what a run learns from."""

    name: str  # in `jaxcomp.data.DATASETS`
    split_seed: int = 0
    train_on_validation: bool = False

    def load(self) -> Splits:
        """Return the splits; that for training has the validation's examples where it shall."""
        splits = DATASETS[self.name].load(self.split_seed)
        if self.train_on_validation:
            splits = splits._replace(train=splits.train.joined(splits.validation))
        return splits


@dataclass(frozen=True)
class Distillation:
    """Say what all phases but the first learn from the dense network."""

    weight: float = 0.0  # of what the teacher says, in [0, 1]; the rest is that of the labels
    temperature: float = 2.0


@dataclass(frozen=True)
class MeshSettings:
    """Say how many devices there are along each axis, and how parameters are spread."""

    data: int = 1
    fsdp: int = 1
    model: int = 1
    rules: tuple[Any, ...] = ()  # as `jaxcomp.train.shardings_of`


@dataclass(frozen=True)
class TrainingSettings:
    """Say how training steps are made, in all phases."""

    seed: int
    batch_size: int
    look_every: int  # steps
    optimizer: Optimizer
    loop: str = "auto"
    shift: int = 0  # pixels by which images are moved at most
    flip: bool = False
    distillation: Distillation = Distillation()
    mesh: MeshSettings = MeshSettings()

    @property
    def augment(self) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
        """Return what training does to images, from a key and images to images; or None."""
        if not self.shift and not self.flip:
            return None
        return partial(shift_and_flip, most=self.shift, flip=self.flip)


@dataclass(frozen=True)
class RecipeSettings:
    """Hold the phases of a run, in their order, and what is between them."""

    dense: Dense
    sparsify: Sparsify
    fine_tune: FineTune
    gap: TernaryGap
    quantize: Quantize
    settle: Quantize
    store: Store
    begin_dense: bool = False  # whether the penalty begins with the dense network
    widths: tuple[int, ...] = ()  # hidden units to start the penalty with; () for all
    numbers_by_layer: tuple[int, ...] = ()  # of the quantizer; () for the same in all

    @property
    def steps(self) -> int:
        """Return the number of training steps of all phases."""
        return sum(phase.steps for phase in (self.dense, self.sparsify, *self.ending))

    @property
    def ending(self) -> tuple[TrainingPhase, ...]:
        """Return the phases after pruning."""
        return self.fine_tune, self.gap, self.quantize, self.settle


@dataclass(frozen=True)
class Settings:
    """Hold all that a run is told."""

    name: str
    data: DataSettings
    network: NetworkSettings
    training: TrainingSettings
    recipe: RecipeSettings


def settings_of(config: ConfigDict) -> Settings:
    """Return what a configuration says; see `experiments/configs/digits_lenet300.py`.

    Args:
      config: that `experiments.settings.check.check` has nothing against.
    """
    return Settings(
        config.name,
        DataSettings(config.data.name, config.data.split_seed, config.data.train_on_validation),
        NetworkSettings(
            config.model,
            config.data.name,
            config.precision,
            {name: rate for name, rate in config.dropout.items() if rate},
        ),
        TrainingSettings(
            config.seed,
            config.batch_size,
            config.look_every,
            OPTIMIZERS[config.optimizer],
            config.loop,
            config.data.shift,
            config.data.flip,
            Distillation(**config.distill),
            MeshSettings(**config.mesh),
        ),
        _recipe(config),
    )


def _recipe(config: ConfigDict) -> RecipeSettings:
    penalty, prune, quantize = config.penalty, config.prune, config.quantize
    rounded = {
        "quantizer": quantize.quantizer,
        "number": quantize.number,
        "level": quantize.level,
        "per": quantize.per,
        "bias_bits": config.biases.bits,
    }
    return RecipeSettings(
        Dense(**config.train),
        Sparsify(
            name="penalty",
            **_rate(penalty),
            density=prune.density,
            penalty=penalty.name,
            strength=penalty.strength,
            scope=penalty.scope,
            groups=None if penalty.groups == "none" else penalty.groups,
            level_strength=penalty.level_strength,
            l2=penalty.l2,
            decoupled=penalty.decoupled,
            prune_steps=prune.steps,
            prune_scope=prune.scope,
            structure=prune.structure,
        ),
        FineTune(**config.finetune),
        TernaryGap(**_rate(config.gap), strength=config.gap.strength, per=quantize.per),
        Quantize(**_rate(quantize), **rounded),
        Quantize(name="settle", **config.settle, **rounded),
        Store(dtype=config.stored, bias_bits=config.biases.bits),
        penalty.start == "dense",
        tuple(prune.widths),
        tuple(quantize.by_layer),
    )


def _rate(phase: ConfigDict) -> dict[str, Any]:
    return {"steps": phase.steps, "learning_rate": phase.learning_rate}
