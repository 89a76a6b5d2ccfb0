"""The recipe: train with the penalty, prune, make the weights ternary, fine-tune them, tidy up."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from flax import linen as nn
from ml_collections import ConfigDict

import jaxcomp
from experiments.layers import LAYERS
from experiments.objective import cross_entropy
from jaxcomp.data import Splits, shuffled_batches
from jaxcomp.prune import apply_mask, remove_dead_units, top_k_mask
from jaxcomp.quantize import dequantize, latent_mask, step_of_bits, ternarize, uniform
from jaxcomp.train import TrainState, fit, init_state, make_step
from jaxcomp.trees import weight_mask

PyTree = Any
ToParams = Callable[[PyTree], PyTree]
# Called with the name of a phase and a function from what it trains to parameters of the model;
# gives the function that looks at the states of that phase.
Watch = Callable[[str, ToParams], Callable[[TrainState], None]]


class Outcome(NamedTuple):
    """Parameters of the same network after different treatments."""

    dense: PyTree  # trained without the penalty: the reference
    penalized: PyTree  # trained with it, from the same start on the same batches
    ternary: PyTree  # pruned, ternary and fine-tuned
    compressed: PyTree  # the same without dead units and with rounded biases


def total_steps(config: ConfigDict) -> int:
    """Number of training steps of all phases."""
    return 2 * config.train.steps + config.finetune.steps + config.ternary.steps


def train_and_compress(
    config: ConfigDict, model: nn.Module, splits: Splits, watch: Watch
) -> Outcome:
    """Run all phases of the recipe. Sees the training split only.

    Args:
      config: see `experiments/configs/digits_lenet300.py`.
      model: classifies images of the data set.
      splits: the data set.
      watch: looks at each phase every `config.look_every` steps.

    Raises:
      jaxcomp.train.NonFiniteLossError: if training diverges.
    """
    loss = cross_entropy(model.apply)

    def train(
        phase: str,
        order: int,
        settings: ConfigDict,
        params: PyTree,
        before: tuple[optax.GradientTransformation, ...] = (),
        after: tuple[optax.GradientTransformation, ...] = (),
        to_params: ToParams = lambda params: params,
    ) -> PyTree:
        rate = optax.cosine_decay_schedule(settings.learning_rate, max(1, settings.steps))
        optimizer = optax.chain(*before, optax.adam(rate), *after)
        state = fit(
            make_step(lambda params, batch: loss(to_params(params), batch), optimizer),
            init_state(params, optimizer),
            shuffled_batches(splits.train, config.batch_size, (config.seed, order)),
            steps=settings.steps,
            look_every=config.look_every,
            look=watch(phase, to_params),
        )
        return state.params

    start = model.init(jax.random.key(config.seed), splits.train.images[:1])["params"]
    dense = train("dense", 0, config.train, start)

    penalty = jaxcomp.add_compressibility(
        config.penalty.weight, scope=config.penalty.scope, magnitude=config.penalty.magnitude
    )
    penalized = train("penalty", 0, config.train, start, before=(penalty,))

    keep = top_k_mask(penalized, config.prune.density, scope=config.prune.scope)
    pruned = apply_mask(penalized, keep)
    pruned = train("fine-tune", 1, config.finetune, pruned, after=(jaxcomp.keep_masked(keep),))

    ternary = ternarize(pruned, level=config.ternary.level)
    hold = jaxcomp.keep_masked(latent_mask(ternary, keep))
    ternary = train("ternary", 2, config.ternary, ternary, after=(hold,), to_params=dequantize)
    ternary = dequantize(ternary)
    inputs = math.prod(splits.train.images.shape[1:])
    alive = remove_dead_units(ternary, LAYERS[config.model], inputs=inputs).params
    return Outcome(dense, penalized, ternary, _round_biases(alive, config.biases.bits))


def _round_biases(params: PyTree, bits: int) -> PyTree:
    """Biases as multiples of a step of their own; 0 bits leave them as they are."""
    if not bits:
        return params
    return jax.tree.map(
        lambda is_weight, w: w if is_weight else uniform(w, step_of_bits(w, bits)),
        weight_mask(params),
        params,
    )
