"""The recipe: a dense teacher, a sparse network, few-valued weights, and a tidy end."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from flax import linen as nn
from ml_collections import ConfigDict

import jaxcomp
from experiments.layers import LAYERS, input_units
from experiments.objective import Taught, classification_loss, taught
from experiments.penalty import Method, coupled, method_of
from jaxcomp.data import Examples, Splits, shuffled_batches
from jaxcomp.models import MODELS
from jaxcomp.prune import (
    apply_mask,
    expand,
    first_units,
    live_units,
    remove_dead_units,
    shrink,
    structured_magnitude,
    top_k_mask,
)
from jaxcomp.quantize import dequantize, few_levels, latent_mask, step_of_bits, ternarize, uniform
from jaxcomp.schedules import cubic_density
from jaxcomp.train import TrainState, fit, init_state, make_step
from jaxcomp.trees import select, weight_mask

PyTree = Any
ToParams = Callable[[PyTree], PyTree]
# Called with the name of a phase and a function from what it trains to parameters of the model;
# gives the function that looks at the states of that phase.
Watch = Callable[[str, ToParams], Callable[[TrainState], None]]

PLAIN = Method()


def unwatched(phase: str, to_params: ToParams) -> Callable[[TrainState], None]:
    """The `Watch` that looks at nothing."""
    del phase, to_params
    return lambda state: None


class Sparse(NamedTuple):
    """What the first half of the recipe makes."""

    dense: PyTree  # trained without the penalty: the reference, and the teacher
    penalized: PyTree  # trained with it, and pruned on the way where `prune.steps` says so
    examples: Examples | Taught  # what all networks but the dense one learn from


class Outcome(NamedTuple):
    """Parameters of the same network after different treatments."""

    dense: PyTree  # as in `Sparse`
    penalized: PyTree
    quantized: PyTree  # pruned, few-valued and fine-tuned
    compressed: PyTree  # the same without dead units and with rounded biases


def total_steps(config: ConfigDict) -> int:
    """Number of training steps of all phases."""
    phases = (config.train, config.penalty, config.finetune, config.gap, config.quantize)
    return sum(phase.steps for phase in phases)


def train_and_compress(
    config: ConfigDict, model: nn.Module, splits: Splits, watch: Watch
) -> Outcome:
    """Run all phases of the recipe: `train_sparse`, then `compress`.

    All phases but the first may learn from the dense network (`config.distill`).

    Args:
      config: see `experiments/configs/digits_lenet300.py`.
      model: classifies images of the data set.
      splits: the data set, of which the training split alone is seen.
      watch: looks at each phase every `config.look_every` steps.

    Raises:
      jaxcomp.train.NonFiniteLossError: if training diverges.
    """
    sparse = train_sparse(config, model, splits, watch)
    return compress(config, watch, sparse)


def train_sparse(config: ConfigDict, model: nn.Module, splits: Splits, watch: Watch) -> Sparse:
    """The first half of the recipe; see `train_and_compress`.

    1. *dense*: no penalty; with dropout, if any.
    2. *penalty*: the penalty from initial weights, or from the dense network, and pruning: on the
       way, or at once in the end, which is left to `compress`. With `prune.widths` the network has
       as few units from the start.
    """
    examples: Examples | Taught = splits.train
    start = model.init(jax.random.key(config.seed), examples.images[:1])["params"]
    train = _Trainer(config, model, examples, watch)
    dense = train("dense", 0, config.train, start, dropout=True)
    if config.distill.weight:
        examples = taught(model.apply, dense, examples)

    prune = config.prune
    narrow = MODELS[config.model](widths=prune.widths or model.widths)
    live = first_units(dense, LAYERS[config.model], narrow.widths)

    def whole(small: PyTree) -> PyTree:
        return expand(small, live, dense)

    if prune.widths:
        start = narrow.init(jax.random.key(config.seed), examples.images[:1])["params"]
    follow = jaxcomp.prune_gradually(
        cubic_density(_density(prune.density, start, dense), max(1, prune.steps)),
        scope=prune.scope,
        score=structured_magnitude(prune.structure),
    )
    train = _Trainer(config, narrow, examples, watch, whole)
    penalized = train(
        "penalty",
        0,
        config.penalty,
        {"init": start, "dense": dense}[config.penalty.start],
        method=method_of(config.penalty),
        after=(follow,) if prune.steps else (),
        constant_steps=prune.steps,
    )
    return Sparse(dense, whole(penalized), examples)


def compress(config: ConfigDict, watch: Watch, sparse: Sparse) -> Outcome:
    """The second half of the recipe, on what the first has made; see `train_and_compress`.

    3. The rest is pruned, and units that cannot matter are taken out: what follows is trained as a
       smaller network.
    4. *fine-tune*: the survivors as floats.
    5. *gap*: the ternary gap of the survivors, ramped up.
    6. *quantize*: signs, levels and biases, straight through.
    7. Units that died since are removed, and biases rounded.
    """
    layers = LAYERS[config.model]
    inputs = input_units(layers, sparse.examples.images.shape[1:])
    # After pruning on the way it finds the zeros that are there.
    keep = top_k_mask(sparse.penalized, config.prune.density, scope=config.prune.scope)
    pruned = remove_dead_units(apply_mask(sparse.penalized, keep), layers, inputs=inputs).params
    live = live_units(pruned, layers)
    *widths, _ = (len(units.outputs) for units in live.values())

    def whole(small: PyTree) -> PyTree:
        return expand(small, live, pruned)

    narrow = MODELS[config.model](widths=widths)
    train = _Trainer(config, narrow, sparse.examples, watch, whole)
    small, keep = shrink(pruned, live), shrink(keep, live)
    hold = jaxcomp.keep_masked(keep)
    small = train("fine-tune", 1, config.finetune, small, after=(hold,))

    ramp = optax.linear_schedule(0.0, config.gap.weight, max(1, config.gap.steps))
    gap = jaxcomp.add_penalty("ternary_gap", ramp, scope=config.quantize.per)
    small = train("gap", 3, config.gap, small, method=Method(coupled(gap)), after=(hold,))

    rounding = Method(
        start=lambda params: _quantized(params, config.quantize),
        sample=lambda trained, key: dequantize(trained),
        end=dequantize,
    )
    hold = jaxcomp.keep_masked(latent_mask(rounding.start(small), keep))
    quantized = whole(train("quantize", 2, config.quantize, small, method=rounding, after=(hold,)))
    alive = remove_dead_units(quantized, layers, inputs=inputs).params
    compressed = _round_biases(alive, config.biases.bits)
    return Outcome(sparse.dense, sparse.penalized, quantized, compressed)


class _Trainer:
    """Runs one phase after the other on the same model and data."""

    def __init__(
        self,
        config: ConfigDict,
        model: nn.Module,
        examples: Examples | Taught,
        watch: Watch,
        whole: ToParams = lambda params: params,
    ):
        """The function `whole` is from parameters of this model to those that are watched."""
        self._config, self._model, self._examples = config, model, examples
        self._watch, self._whole = watch, whole

    def __call__(
        self,
        phase: str,
        order: int,
        settings: ConfigDict,
        params: PyTree,
        *,
        method: Method = PLAIN,
        after: tuple[optax.GradientTransformation, ...] = (),
        constant_steps: int = 0,
        dropout: bool = False,
    ) -> PyTree:
        """Parameters at the end of a phase.

        Args:
          phase: its name, for those who watch.
          order: which order of the batches.
          settings: number of steps and learning rate, constant for `constant_steps`, then with
            cosine decay to zero.
          params: where to start from.
          method: what is trained, and how.
          after: what comes after the optimizer in the chain.
          constant_steps: see `settings`.
          dropout: whether units are dropped while training.
        """
        config = self._config
        loss = classification_loss(self._model.apply, config.distill, dropout=dropout)
        rate = optax.join_schedules(
            [
                optax.constant_schedule(settings.learning_rate),
                optax.cosine_decay_schedule(
                    settings.learning_rate, max(1, settings.steps - constant_steps)
                ),
            ],
            [constant_steps],
        )
        optimizer = optax.chain(method.optimizer(rate), *after)

        def objective(trained: PyTree, batch: Examples | Taught, key: jax.Array) -> jax.Array:
            sample, drop = jax.random.split(key)
            return loss(method.sample(trained, sample), batch, drop)

        state = fit(
            make_step(objective, optimizer, jax.random.key(config.seed)),
            init_state(method.start(params), optimizer),
            shuffled_batches(self._examples, config.batch_size, (config.seed, order)),
            steps=settings.steps,
            look_every=config.look_every,
            look=self._watch(phase, lambda trained: self._whole(method.end(trained))),
        )
        return method.end(state.params)


def _density(density: float, small: PyTree, large: PyTree) -> float:
    """The density of a small network with as many non-zeros as a large one has by its density."""
    small_weights, large_weights = (sum(w.size for w in select(p, None)) for p in (small, large))
    return min(1.0, density * large_weights / small_weights)


def _quantized(params: PyTree, settings: ConfigDict) -> PyTree:
    if settings.levels == 1:
        return ternarize(params, level=settings.level, per=settings.per)
    return few_levels(params, settings.levels, per=settings.per)


def _round_biases(params: PyTree, bits: int) -> PyTree:
    """Biases as multiples of a step of their own; 0 bits leave them as they are."""
    if not bits:
        return params
    return jax.tree.map(
        lambda is_weight, w: w if is_weight else uniform(w, step_of_bits(w, bits)),
        weight_mask(params),
        params,
    )
