"""Claim C1, measured: does the loss make weights sparse, ternary, and low in entropy?

python -m experiments.sweeps.claim [--data mnist] [--seeds 5] [--steps 6000] [--workdir DIR]

Trains LeNet-300-100 with each penalty of `GRID` on each seed, and writes one record of all runs,
WORKDIR/record.json: measures of the weights over the training, with means and 95 % bootstrap
intervals over the seeds; and a figure of it. A run that has been made is not made again.

Weights of pixels that are hardly ever lit have no say in the data term, so that nothing but the
penalty moves them; measures are taken of all weights, and of those of the other pixels alone.
Cost: 18 settings x 5 seeds, about 15 s each on two CPU cores.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from rich.progress import track

from experiments.mistakes import in_one_line
from experiments.report.environment import environment
from experiments.report.evaluation import accuracy
from experiments.report.plots.claim import claim_figure
from experiments.report.plots.files import save
from experiments.report.statistics import mean_with_interval, significant
from experiments.settings.networks import NetworkSettings
from experiments.sweeps.data import IMAGES
from experiments.sweeps.runs import kept
from experiments.training.objective import EVALUATION_BATCH, classification_metrics, cross_entropy
from jaxcomp import strict_json
from jaxcomp.analysis.composite import agreement, composite_condition
from jaxcomp.analysis.measures import measures
from jaxcomp.data import DATASETS, Splits
from jaxcomp.losses import compressibility_tree, level_tree, penalty_tree
from jaxcomp.train import NonFiniteLossError, TrainState, fit, init_state, make_step

PyTree = Any
MODEL, BATCH_SIZE, LEARNING_RATE = "lenet_300_100", 128, 1e-3
RARE = 1e-3  # pixels that are not zero in fewer of the training images count as hardly ever lit
ZERO = 0.01  # weights up to c / 100 count as zero in the composite condition

TERMS: dict[str, Callable[[PyTree], jax.Array]] = {
    "none": lambda params: jnp.zeros(()),
    "l1": lambda params: penalty_tree(params, "l1"),
    "l2": lambda params: penalty_tree(params, "l2"),
    "l1/l2 global": lambda params: compressibility_tree(params, scope="global"),
    "l1/l2 per tensor": lambda params: compressibility_tree(params, scope="tensor"),
    "l1/l2 global + 100 c": lambda params: compressibility_tree(params) + 100 * level_tree(params),
}
SCOPES = {"l1/l2 global": "global", "l1/l2 per tensor": "tensor"}
GRID: dict[str, tuple[float, ...]] = {
    "none": (0.0,),
    "l1": (1e-5, 3e-5, 1e-4),
    "l2": (1e-5, 1e-4, 1e-3),
    "l1/l2 global": (3e-4, 1e-3, 3e-3, 1e-2),
    "l1/l2 per tensor": (3e-4, 1e-3, 3e-3, 1e-2),
    "l1/l2 global + 100 c": (3e-4, 1e-3, 3e-3),
}
CURVES = (
    "validation_accuracy",
    "live",
    "effective_nonzeros",
    "ternary_distance",
    "nonzero_entropy",
)


@in_one_line()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Measure what penalties do to weights.")
    parser.add_argument("--data", choices=IMAGES, default="mnist")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--workdir", type=Path, default=Path("runs/claim"))
    options = parser.parse_args()
    if options.seeds < 1 or options.steps < 1:
        parser.error("--seeds and --steps must be at least 1")

    settings = [(name, weight) for name, weights in GRID.items() for weight in weights]
    runs = [(*setting, seed) for seed in range(options.seeds) for setting in settings]
    model, splits = (
        NetworkSettings(MODEL, options.data).to_evaluate(),
        DATASETS[options.data].load(0),
    )
    results: dict[tuple[str, float], list[dict[str, Any]]] = {setting: [] for setting in settings}
    for name, weight, seed in track(runs, "training"):
        label = f"{options.data} {options.steps} {name} {weight} {seed}"
        make = partial(train, model, splits, name, weight, seed, options.steps)
        try:
            results[name, weight].append(kept(options.workdir, label, make))
        except NonFiniteLossError as error:
            sys.exit(f"error: {name} of weight {weight}, seed {seed}: {error}")
    record = {
        "command": f"python -m experiments.sweeps.claim --data {options.data} "
        f"--seeds {options.seeds} --steps {options.steps}",
        "model": MODEL,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        **environment(),
        "settings": [
            {"penalty": name, "weight": weight, **summary(runs)}
            for (name, weight), runs in results.items()
        ],
    }
    strict_json.write(options.workdir / "record.json", record)
    save(claim_figure(record), options.workdir / "figure.png")
    print(f"{len(runs)} runs are in {options.workdir / 'record.json'}")


def train(
    model: nn.Module, splits: Splits, name: str, weight: float, seed: int, steps: int
) -> dict[str, Any]:
    """One run: its curves, and how well its end obeys the composite condition."""
    penalty = TERMS[name]
    data_loss, metrics = cross_entropy(model.apply), classification_metrics(model.apply)
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))
    params = model.init(jax.random.key(seed), splits.train.inputs[:1])["params"]
    lit = (splits.train.inputs > 0).mean(axis=0).ravel() >= RARE
    curve: list[dict[str, float]] = []

    def look(state: TrainState) -> None:
        curve.append(
            {
                "step": int(state.step),
                "validation_accuracy": accuracy(metrics, state.params, splits.validation),
                **{key: float(value) for key, value in measured(state.params, lit).items()},
            }
        )

    state = init_state(params, optimizer)
    look(state)
    state = fit(
        make_step(lambda p, batch: data_loss(p, batch) + weight * penalty(p), optimizer),
        state,
        splits.train.shuffled_batches(BATCH_SIZE, seed),
        steps=steps,
        look_every=max(1, steps // 12),
        look=look,
    )
    result: dict[str, Any] = {"curve": curve}
    if name in SCOPES:
        slope = full_gradient(data_loss, state.params, splits)
        condition = composite_condition(state.params, slope, weight, scope=SCOPES[name], zero=ZERO)
        result["composite"] = agreement(condition)._asdict()
    return result


def measured(params: PyTree, lit: np.ndarray) -> dict[str, jax.Array]:
    """Measures of all weights, of those of lit pixels and above, and what the others hold."""
    first = params["Dense_0"]["kernel"]
    others = {**params, "Dense_0": {"kernel": first[lit]}}
    return {
        **measures(params)._asdict(),
        **{f"lit_{key}": value for key, value in measures(others)._asdict().items()},
        "unlit_share_of_squares": penalty_tree(first[~lit], "l2") / penalty_tree(params, "l2"),
    }


def full_gradient(loss: Callable, params: PyTree, splits: Splits) -> PyTree:
    """Gradient of the mean loss over the whole training split."""
    examples = splits.train.number
    share = jax.jit(jax.grad(lambda p, batch: loss(p, batch) * (len(batch.labels) / examples)))
    shares = [share(params, batch) for batch in splits.train.batches(EVALUATION_BATCH)]
    return jax.tree.map(lambda *parts: sum(parts), *shares)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds along the curve; with intervals and the seeds' values at its end."""
    ends = [run["curve"][-1] for run in runs]
    keys = [key for key in ends[0] if key != "step"]
    out: dict[str, Any] = {
        "step": [point["step"] for point in runs[0]["curve"]],
        "curve": {
            key: [
                significant(np.mean([run["curve"][i][key] for run in runs]))
                for i in range(len(runs[0]["curve"]))
            ]
            for key in keys
            if key.removeprefix("lit_") in CURVES
        },
        "end": {key: mean_with_interval([end[key] for end in ends]) for key in keys},
    }
    if "composite" in runs[0]:
        out["composite"] = {
            key: mean_with_interval([run["composite"][key] for run in runs])
            for key in runs[0]["composite"]
        }
    return out


if __name__ == "__main__":
    main()
