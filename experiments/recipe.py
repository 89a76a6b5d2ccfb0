"""The recipe: a dense teacher, a sparse network, few-valued weights, and a tidy end."""

from typing import Any, NamedTuple

import jax
import optax
from flax import linen as nn
from ml_collections import ConfigDict

import jaxcomp
from experiments import feed, narrow
from experiments.networks import PRECISIONS, SettingError, trained_model
from experiments.objective import Network, settled, taught
from experiments.optimizers import OPTIMIZERS
from experiments.penalty import Method, coupled, method_of, with_l2
from experiments.trainer import Trainer, Watch, augmentation
from jaxcomp.data import Splits, Stream
from jaxcomp.parametrized import latent_mask, values
from jaxcomp.prune import apply_mask, structured_magnitude, top_k_mask
from jaxcomp.quantize import few_levels, step_of_bits, ternarize, uniform
from jaxcomp.schedules import cubic_density
from jaxcomp.trees import path_name, select, weight_mask

PyTree = Any


class Sparse(NamedTuple):
    """What the first half of the recipe makes."""

    dense: Network  # trained without the penalty: the reference, and the teacher
    penalized: Network  # trained with it, and pruned on the way where `prune.steps` says so
    examples: feed.Data  # what all networks but the dense one learn from
    teacher: PyTree = None  # settled parameters of the teacher they ask, if not asked already


class Outcome(NamedTuple):
    """Settled parameters of the same network after different treatments."""

    dense: PyTree  # as in `Sparse`
    penalized: PyTree
    quantized: PyTree  # pruned, few-valued and fine-tuned
    compressed: PyTree  # the same without dead units and with rounded biases


def total_steps(config: ConfigDict) -> int:
    """Number of training steps of all phases."""
    phases = ("train", "penalty", "finetune", "gap", "quantize", "settle")
    return sum(config[phase].steps for phase in phases)


def train_and_compress(config: ConfigDict, splits: Splits, watch: Watch) -> Outcome:
    """Run all phases of the recipe: `train_sparse`, then `compress`.

    All phases but the first may learn from the dense network (`config.distill`).

    Args:
      config: see `experiments/configs/digits_lenet300.py`.
      splits: the data set, of which the training split alone is seen.
      watch: looks at each phase every `config.look_every` steps.

    Raises:
      jaxcomp.train.NonFiniteLossError: if training diverges.
    """
    return compress(config, watch, train_sparse(config, splits, watch))


def train_sparse(config: ConfigDict, splits: Splits, watch: Watch) -> Sparse:
    """Run the first half of the recipe; see `train_and_compress`.

    1. *dense*: no penalty; with dropout, if any.
    2. *penalty*: the penalty from initial weights, or from the dense network, and pruning: on the
       way, or at once in the end, which is left to `compress`. With `prune.widths` the network has
       as few units from the start.
    """
    examples: feed.Data = splits.train
    by, prune = OPTIMIZERS[config.optimizer], config.prune
    model = trained_model(config)
    start = _initial(model, config.seed, examples)
    network = narrow.traced(config, start.params, examples)
    few = narrow.of_widths(config, start.params, network)
    check_by_layer(config, network)
    train = Trainer(config, model, examples, watch)
    plain = Method(with_l2(config.train.l2, by))
    dense = train(
        "dense", 0, config.train, start, method=plain, dropout=any(config.dropout.values())
    )
    teacher = settled(dense) if config.distill.weight else None
    # What a teacher says of images that are always the same is the same.
    always_same = augmentation(config) is None and not isinstance(examples, Stream)
    if teacher is not None and always_same:
        examples, teacher = taught(model.apply, teacher, examples), None

    if prune.widths:
        start = _initial(few.model, config.seed, examples)
    follow = jaxcomp.prune_gradually(
        cubic_density(_density(prune.density, start.params, dense.params), max(1, prune.steps)),
        scope=prune.scope,
        score=structured_magnitude(prune.structure),
    )
    train = Trainer(config, few.model, examples, watch, few.whole, teacher)
    penalized = train(
        "penalty",
        0,
        config.penalty,
        {"init": start, "dense": dense}[config.penalty.start],
        method=method_of(config.penalty, by),
        after=(follow,) if prune.steps else (),
        constant_steps=prune.steps,
    )
    whole = penalized._replace(params=few.whole(penalized.params))
    return Sparse(dense, whole, examples, teacher)


def compress(config: ConfigDict, watch: Watch, sparse: Sparse) -> Outcome:
    """Run the second half of the recipe on the result of the first; see `train_and_compress`.

    3. The rest is pruned. Without batch norm, units that cannot matter, and biases that the next
       layer's can stand in for, become zero; where the layers are a chain, what follows is trained
       as a smaller network.
    4. *fine-tune*: the survivors as floats.
    5. *gap*: the ternary gap of the survivors, ramped up.
    6. *quantize*: signs, levels and rounded biases, straight through.
    7. *settle*: the same again, from weights that are at their levels. Where two levels meet, a
       latent weight is pushed to and fro at any learning rate, and the loss with it.
    8. Statistics are merged, units that died since are removed, arrays take the type that they are
       stored in, and biases are rounded again, as all of these change them.
    """
    network = narrow.traced(config, sparse.penalized.params, sparse.examples)
    # After pruning on the way it finds the zeros that are there.
    keep = top_k_mask(sparse.penalized.params, config.prune.density, scope=config.prune.scope)
    pruned = apply_mask(sparse.penalized.params, keep)
    few = narrow.Narrow(trained_model(config))
    if sparse.penalized.batch_stats is None:
        pruned = narrow.without_dead_units(pruned, network)
        keep = jax.tree.map(lambda w: w != 0, pruned)  # nor do folded biases come back
        few = narrow.of_live_units(config, pruned, network)
    train = Trainer(config, few.model, sparse.examples, watch, few.whole, sparse.teacher)
    small, keep = sparse.penalized._replace(params=few.small(pruned)), few.small(keep)
    hold, by = jaxcomp.keep_masked(keep), OPTIMIZERS[config.optimizer]
    small = train(
        "fine-tune", 1, config.finetune, small, method=Method(coupled(by=by)), after=(hold,)
    )

    ramp = optax.linear_schedule(0.0, config.gap.weight, max(1, config.gap.steps))
    gap = jaxcomp.add_penalty("ternary_gap", ramp, scope=config.quantize.per)
    small = train("gap", 3, config.gap, small, method=Method(coupled(gap, by=by)), after=(hold,))

    def as_stored(trained: PyTree) -> PyTree:
        return _round_biases(values(trained), config.biases.bits)

    rounding = Method(
        start=lambda params: _quantized(params, config, network),
        sample=lambda trained, key: as_stored(trained),
        end=as_stored,
    )
    hold = jaxcomp.keep_masked(latent_mask(rounding.start(small.params), keep))
    small = train("quantize", 2, config.quantize, small, method=rounding, after=(hold,))
    small = train("settle", 4, config.settle, small, method=rounding, after=(hold,))
    quantized = few.whole(settled(small))
    alive = narrow.without_dead_units(quantized, network)
    stored = jax.tree.map(lambda w: w.astype(PRECISIONS[config.stored]), alive)
    compressed = _round_biases(stored, config.biases.bits)
    return Outcome(settled(sparse.dense), settled(sparse.penalized), quantized, compressed)


def _initial(model: nn.Module, seed: int, examples: feed.Data) -> Network:
    made = jax.jit(model.init)(jax.random.key(seed), feed.one_input(examples))
    return Network(made["params"], made.get("batch_stats"))


def _density(density: float, small: PyTree, large: PyTree) -> float:
    """Return the density at which a small network has as many non-zeros as a large one."""
    small_weights, large_weights = (sum(w.size for w in select(p, None)) for p in (small, large))
    return min(1.0, density * large_weights / small_weights)


def check_by_layer(config: ConfigDict, network: jaxcomp.tracing.Network) -> None:
    """Raise a SettingError unless `quantize.by_layer` is empty or has a number for each layer."""
    levels, layers = config.quantize.by_layer, network.weights
    if levels and len(levels) != len(layers):
        raise SettingError(
            f"quantize.by_layer={levels}: a number of magnitudes for each of the {len(layers)} "
            f"layers of {config.model} ({', '.join(layers)}), or ()"
        )


def _quantized(params: PyTree, config: ConfigDict, network: jaxcomp.tracing.Network) -> PyTree:
    """Replace each weight tensor by signs and as many levels as its layer is to have."""
    settings = config.quantize
    numbers = dict(zip(network.weights, settings.by_layer, strict=False))

    def quantized(path: tuple[Any, ...], w: PyTree, is_weight: bool) -> PyTree:
        levels = numbers.get(path_name(path), settings.levels)
        if levels == 1:
            return ternarize(w, level=settings.level, per=settings.per, mask=is_weight)
        return few_levels(w, levels, per=settings.per, mask=is_weight)

    return jax.tree_util.tree_map_with_path(quantized, params, weight_mask(params))


def _round_biases(params: PyTree, bits: int) -> PyTree:
    """Round what is not a weight to multiples of a step of its own."""
    if not bits:
        return params

    return jax.tree.map(
        lambda is_weight, w: w if is_weight else uniform(w, step_of_bits(w, bits)),
        weight_mask(params),
        params,
    )
