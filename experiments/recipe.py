"""The recipe: a dense teacher, a sparse network, few-valued weights, and a tidy end."""

from typing import Any, NamedTuple

import jax
from flax import linen as nn
from ml_collections import ConfigDict

import jaxcomp
from experiments import feed, narrow
from experiments.networks import SettingError, trained_model
from experiments.objective import Beside, Network, settled, taught
from experiments.optimizers import OPTIMIZERS
from experiments.trainer import Trainer, augmentation
from jaxcomp.data import Splits, Stream
from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.recipe import Dense, FineTune, Quantize, Sparsify, Store, TernaryGap
from jaxcomp.recipe.phase import About, Trained, TrainingPhase
from jaxcomp.recipe.sparsify import without_dead_units
from jaxcomp.recipe.watch import Watch
from jaxcomp.trees import select

PyTree = Any


class Sparse(NamedTuple):
    """Holds what the first half of the recipe makes."""

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
    about, prune, penalty = _about(config), config.prune, config.penalty
    model = trained_model(config)
    start = _initial(model, config.seed, examples)
    network = narrow.traced(config, start.params, examples)
    few = narrow.of_widths(config, start.params, network)
    check_by_layer(config, network)
    dropout = any(config.dropout.values())
    train = Trainer(config, model, examples, watch, dropout=dropout)
    plain = Dense(**_rate(config.train), l2=config.train.l2)
    dense = _network(plain.trained(_handed(start), about, train))
    teacher = settled(dense) if config.distill.weight else None
    # What a teacher says of images that are always the same is the same.
    always_same = augmentation(config) is None and not isinstance(examples, Stream)
    if teacher is not None and always_same:
        examples, teacher = taught(model.apply, teacher, examples), None

    if prune.widths:
        start = _initial(few.model, config.seed, examples)
    sparsify = Sparsify(
        name="penalty",
        **_rate(penalty),
        density=_density(prune.density, start.params, dense.params),
        penalty=penalty.name,
        strength=penalty.weight,
        scope=penalty.scope,
        groups=None if penalty.groups == "none" else penalty.groups,
        magnitude=penalty.magnitude,
        l2=penalty.l2,
        decoupled=penalty.decoupled,
        prune_steps=prune.steps,
        prune_scope=prune.scope,
        structure=prune.structure,
    )
    train = Trainer(config, few.model, examples, watch, few.whole)
    first = {"init": start, "dense": dense}[penalty.start]
    penalized = _network(sparsify.trained(_handed(first, teacher), about, train))
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
    pruned = Trained(apply_mask(sparse.penalized.params, keep), None, keep)
    few = narrow.Narrow(trained_model(config))
    if sparse.penalized.batch_stats is None:
        pruned = without_dead_units(pruned, About(network=network))
        few = narrow.of_live_units(config, pruned.params, network)
    beside = Beside(sparse.penalized.batch_stats, sparse.teacher)
    small = Trained(few.small(pruned.params), beside, few.small(pruned.keep))
    train = Trainer(config, few.model, sparse.examples, watch, few.whole)
    for phase in _ending(config, network):
        small = phase.run(small, _about(config), train)
    quantized = few.whole(settled(_network(small)))
    store = Store(dtype=config.stored, bias_bits=config.biases.bits)
    compressed = store.stored(Trained(quantized), About(network=network)).params
    return Outcome(settled(sparse.dense), settled(sparse.penalized), quantized, compressed)


def _ending(config: ConfigDict, network: jaxcomp.tracing.Network) -> list[TrainingPhase]:
    """Return the phases after pruning."""
    quantize = {
        "levels": config.quantize.levels,
        "level": config.quantize.level,
        "per": config.quantize.per,
        "by_layer": dict(zip(network.weights, config.quantize.by_layer, strict=False)),
        "bias_bits": config.biases.bits,
    }
    return [
        FineTune(**_rate(config.finetune)),
        TernaryGap(**_rate(config.gap), strength=config.gap.weight, per=config.quantize.per),
        Quantize(**_rate(config.quantize), **quantize),
        Quantize(name="settle", **_rate(config.settle), **quantize),
    ]


def _rate(settings: ConfigDict) -> dict[str, Any]:
    return {"steps": settings.steps, "learning_rate": settings.learning_rate}


def _about(config: ConfigDict) -> About:
    return About(OPTIMIZERS[config.optimizer])


def _handed(network: Network, teacher: PyTree = None) -> Trained:
    return Trained(network.params, Beside(network.batch_stats, teacher))


def _network(trained: Trained) -> Network:
    return Network(trained.params, trained.model_state.batch_stats)


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
