"""The recipe: a dense teacher, a sparse network, few-valued weights, and a tidy end."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
from flax import linen as nn

from experiments.settings.networks import SettingError
from experiments.settings.settings import RecipeSettings, Settings
from experiments.training import narrow
from experiments.training.objective import Beside, Network, settled, taught
from experiments.training.trainer import Trainer
from jaxcomp import tracing
from jaxcomp.data import Split, Splits
from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.recipe import Quantize
from jaxcomp.recipe.phase import About, Trained
from jaxcomp.recipe.sparsify import without_dead_units
from jaxcomp.recipe.watch import Watch
from jaxcomp.trees import select

PyTree = Any


class Sparse(NamedTuple):
    """Holds what the first half of the recipe makes."""

    dense: Network  # trained without the penalty: the reference, and the teacher
    penalized: Network  # trained with it, and pruned on the way where `prune.steps` says so
    examples: Split  # what all networks but the dense one learn from
    teacher: PyTree = None  # settled parameters of the teacher they ask, if not asked already


class Outcome(NamedTuple):
    """Settled parameters of the same network after different treatments."""

    dense: PyTree  # as in `Sparse`
    penalized: PyTree
    quantized: PyTree  # pruned, few-valued and fine-tuned
    compressed: PyTree  # the same without dead units and with rounded biases


def train_and_compress(settings: Settings, splits: Splits, watch: Watch) -> Outcome:
    """Run all phases of the recipe: `train_sparse`, then `compress`.

    All phases but the first may learn from the dense network.

    Args:
      settings: of the run.
      splits: the data set, of which the training split alone is seen.
      watch: looks at each phase every so many steps.

    Raises:
      jaxcomp.train.NonFiniteLossError: if training diverges.
    """
    return compress(settings, watch, train_sparse(settings, splits, watch))


def train_sparse(settings: Settings, splits: Splits, watch: Watch) -> Sparse:
    """Run the first half of the recipe; see `train_and_compress`.

    1. *dense*: no penalty; with dropout, if any.
    2. *penalty*: the penalty from initial weights, or from the dense network, and pruning: on the
       way, or at once in the end, which is left to `compress`. With `widths` the network has as
       few units from the start.
    """
    training, recipe, examples = settings.training, settings.recipe, splits.train
    about = About(training.optimizer)
    model = settings.network.to_train()
    start = _initial(model, training.seed, examples)
    network = narrow.traced(settings.network, start.params, examples)
    few = narrow.of_widths(settings.network, recipe.widths, start.params, network)
    check_by_layer(settings, network)
    train = Trainer(settings, model, examples, watch, dropout=bool(settings.network.dropout))
    dense = _network(recipe.dense.trained(_handed(start), about, train))
    teacher = settled(dense) if training.distillation.weight else None
    # What a teacher says of images that are always the same is the same.
    if teacher is not None and training.augment is None and examples.in_memory:
        examples, teacher = taught(model.apply, teacher, examples), None

    if recipe.widths:
        start = _initial(few.model, training.seed, examples)
    density = _density(recipe.sparsify.density, start.params, dense.params)
    sparsify = replace(recipe.sparsify, density=density)
    train = Trainer(settings, few.model, examples, watch, few.whole)
    first = dense if recipe.begin_dense else start
    penalized = _network(sparsify.trained(_handed(first, teacher), about, train))
    whole = penalized._replace(params=few.whole(penalized.params))
    return Sparse(dense, whole, examples, teacher)


def compress(settings: Settings, watch: Watch, sparse: Sparse) -> Outcome:
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
    recipe, params = settings.recipe, sparse.penalized.params
    network = narrow.traced(settings.network, params, sparse.examples)
    # After pruning on the way it finds the zeros that are there.
    keep = top_k_mask(params, recipe.sparsify.density, scope=recipe.sparsify.prune_scope)
    pruned = Trained(apply_mask(params, keep), None, keep)
    few = narrow.Narrow(settings.network.to_train())
    if sparse.penalized.batch_stats is None:
        pruned = without_dead_units(pruned, About(network=network))
        few = narrow.of_live_units(settings.network, pruned.params, network)
    beside = Beside(sparse.penalized.batch_stats, sparse.teacher)
    small = Trained(few.small(pruned.params), beside, few.small(pruned.keep))
    train = Trainer(settings, few.model, sparse.examples, watch, few.whole)
    about = About(settings.training.optimizer)
    for phase in _with_layers(recipe, network).ending:
        small = phase.run(small, about, train)
    quantized = few.whole(settled(_network(small)))
    compressed = recipe.store.stored(Trained(quantized), About(network=network)).params
    return Outcome(settled(sparse.dense), settled(sparse.penalized), quantized, compressed)


def _with_layers(recipe: RecipeSettings, network: tracing.Network) -> RecipeSettings:
    """Return the recipe with the numbers of the quantizer by the names of the layers."""
    by_layer = dict(zip(network.weights, recipe.numbers_by_layer, strict=False))

    def named(phase: Quantize) -> Quantize:
        return replace(phase, by_layer=by_layer)

    return replace(recipe, quantize=named(recipe.quantize), settle=named(recipe.settle))


def _handed(network: Network, teacher: PyTree = None) -> Trained:
    return Trained(network.params, Beside(network.batch_stats, teacher))


def _network(trained: Trained) -> Network:
    return Network(trained.params, trained.model_state.batch_stats)


def _initial(model: nn.Module, seed: int, examples: Split) -> Network:
    made = jax.jit(model.init)(jax.random.key(seed), examples.one_input())
    return Network(made["params"], made.get("batch_stats"))


def _density(density: float, small: PyTree, large: PyTree) -> float:
    """Return the density at which a small network has as many non-zeros as a large one."""
    small_weights, large_weights = (sum(w.size for w in select(p, None)) for p in (small, large))
    return min(1.0, density * large_weights / small_weights)


def check_by_layer(settings: Settings, network: tracing.Network) -> None:
    """Raise a SettingError unless `quantize.by_layer` is empty or has a number for each layer."""
    numbers, layers = settings.recipe.numbers_by_layer, network.weights
    if numbers and len(numbers) != len(layers):
        raise SettingError(
            f"quantize.by_layer={numbers}: a number of {settings.recipe.quantize.quantizer} for "
            f"each of the {len(layers)} "
            f"layers of {settings.network.name} ({', '.join(layers)}), or ()"
        )
