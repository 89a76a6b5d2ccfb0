"""A path of penalty weights: what a penalty alone makes of a network, weight by weight.

python -m experiments.sweeps.path [--data digits] [--penalty l1_over_l2] [--weights 0.001 ...]
    [--seeds 5] [--steps 3000] [--workdir DIR]

Trains LeNet-300-100 with each weight on each seed, all in one compiled program. Nothing else is
done to the networks: weights below a tenth of their tensor's level c become zero, the others
multiples of c / 4, and so they are stored. Writes WORKDIR/record.json and WORKDIR/figure.png; the
errors are those of the validation split, by what is read back from the files.

Cost: 30 networks on the digits take about a minute on two CPU cores. On MNIST use an accelerator.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from rich.progress import track
from rich.table import Table

from experiments.mistakes import in_one_line
from experiments.report.environment import environment
from experiments.report.evaluation import error, nonzero_weights, through_file
from experiments.report.plots.files import save
from experiments.report.plots.pareto import pareto_figure
from experiments.report.statistics import mean_with_interval
from experiments.settings.networks import NetworkSettings
from experiments.sweeps.data import IMAGES
from experiments.training.objective import classification_metrics, cross_entropy
from jaxcomp import strict_json
from jaxcomp.analysis.measures import measures
from jaxcomp.data import DATASETS, Examples, Splits, shuffled_indices
from jaxcomp.losses import PENALTIES, penalty_tree
from jaxcomp.losses.ratio import level_of
from jaxcomp.prune import apply_mask, threshold_mask
from jaxcomp.quantize import uniform
from jaxcomp.screen import PlainConsole
from jaxcomp.train import init_many, make_many
from jaxcomp.trees import weight_mask

PyTree = Any
MODEL, BATCH_SIZE, LEARNING_RATE = "lenet_300_100", 64, 1e-3
WEIGHTS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
STEPS_PER_CALL = 250
THRESHOLD, PARTS = 0.1, 4  # of the level c: what is pruned, and the steps of what is left


@in_one_line()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Train with many weights of a penalty at once.")
    parser.add_argument("--data", choices=IMAGES, default="digits")
    names = [name for name in PENALTIES if name != "l0_hard_concrete"]  # it needs gates
    parser.add_argument("--penalty", choices=names, default="l1_over_l2")
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--workdir", type=Path, default=Path("runs/path"))
    options = parser.parse_args()
    if options.seeds < 1 or options.steps < 1:
        parser.error("--seeds and --steps must be at least 1")
    if not all(0 <= weight < float("inf") for weight in options.weights):
        parser.error("--weights must be finite and at least 0")

    model, splits = (
        NetworkSettings(MODEL, options.data).to_evaluate(),
        DATASETS[options.data].load(0),
    )
    penalty = options.penalty, options.weights
    params, diverged = train(model, splits, *penalty, options.seeds, options.steps)
    results = judged(model, params, splits, len(options.weights), options.seeds)
    rows = [
        {
            "weight": weight,
            "diverged": int(number),  # seeds whose networks stayed as they were when that happened
            **jax.tree.map(lambda *values: mean_with_interval(values), *of_seeds),
        }
        for weight, number, of_seeds in zip(options.weights, diverged, results, strict=True)
    ]
    options.workdir.mkdir(parents=True, exist_ok=True)
    record = {
        "command": f"python -m experiments.sweeps.path --data {options.data} "
        f"--penalty {options.penalty} --seeds {options.seeds} --steps {options.steps}",
        **environment(),
        "rows": rows,
    }
    strict_json.write(options.workdir / "record.json", record, indent=1)
    points = {
        f"strength {weight:g}": [(one["bytes"], one["validation_error"]) for one in of_seeds]
        for weight, of_seeds in zip(options.weights, results, strict=True)
    }
    save(pareto_figure(points), options.workdir / "figure.png")
    show(rows)
    print(f"record.json and figure.png are in {options.workdir}")


def train(
    model: nn.Module, splits: Splits, penalty: str, weights: list[float], seeds: int, steps: int
) -> tuple[PyTree, np.ndarray]:
    """Return parameters of shape [seeds, weights, ...], and how many seeds diverged, [weights]."""
    data_loss = cross_entropy(model.apply)

    def loss(params: PyTree, batch: Examples, weight: jax.Array) -> jax.Array:
        return data_loss(params, batch) + weight * penalty_tree(params, penalty)

    @jax.jit
    @jax.vmap
    def starts(seed: jax.Array) -> PyTree:
        return model.init(jax.random.key(seed), splits.train.inputs[:1])["params"]

    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))
    many, strengths = make_many(loss, optimizer), jnp.asarray(weights, jnp.float32)
    states = init_many(starts(jnp.arange(seeds)), optimizer, strengths)
    examples = jax.device_put(splits.train)
    size = splits.train.number
    orders = [shuffled_indices(size, BATCH_SIZE, seed) for seed in range(seeds)]
    for begin in track(range(0, steps, STEPS_PER_CALL), "training"):
        count = min(STEPS_PER_CALL, steps - begin)
        order = np.array([[next(of_seed) for of_seed in orders] for _ in range(count)])
        states = jax.block_until_ready(many(states, examples, order, strengths))
    return jax.device_get((states.params, jnp.count_nonzero(states.first_bad_step, axis=0)))


def judged(
    model: nn.Module, params: PyTree, splits: Splits, weights: int, seeds: int
) -> list[list[dict[str, float]]]:
    """Measure the file and the weights of each network, by weight of the penalty and seed."""
    metrics = classification_metrics(model.apply)
    results: list[list[dict[str, float]]] = [[] for _ in range(weights)]
    for of_weight, seed in itertools.product(range(weights), range(seeds)):
        own = jax.tree.map(lambda w, at=(seed, of_weight): w[at], params)
        stored, size = through_file(rounded(own))
        measured = measures(own)
        results[of_weight].append(
            {
                "validation_error_float": error(metrics, own, splits.validation),
                "validation_error": error(metrics, stored, splits.validation),
                "bytes": size,
                "nonzero_weights": nonzero_weights(stored),
                "compressibility": float(measured.compressibility),
                "ternary_distance": float(measured.ternary_distance),
            }
        )
    return results


@jax.jit
def rounded(params: PyTree) -> PyTree:
    """Weights below c / 10 as zeros, the others as multiples of c / 4, for `c` of their tensor."""
    pruned = apply_mask(params, threshold_mask(params, THRESHOLD, scope="tensor"))
    return jax.tree.map(
        lambda w, is_weight: uniform(w, level_of([w]) / PARTS) if is_weight else w,
        pruned,
        weight_mask(params),
    )


def show(rows: list[dict[str, Any]]) -> None:
    """Print the means over the seeds."""
    table = Table(title="means over the seeds, of what is read back")
    for heading in ("weight", "float error, %", "error, %", "non-zeros", "bytes"):
        table.add_column(heading, justify="right")
    for row in rows:
        errors = [row[key]["mean"] for key in ("validation_error_float", "validation_error")]
        counts = [row[key]["mean"] for key in ("nonzero_weights", "bytes")]
        cells = [f"{e:.2f}" for e in errors] + [f"{count:,.0f}" for count in counts]
        table.add_row(f"{row['weight']:g}", *cells)
    PlainConsole().print(table)
    for row in rows:
        if row["diverged"]:
            print(f"with weight {row['weight']:g} training diverged for {row['diverged']} seeds")


if __name__ == "__main__":
    main()
