"""Penalties held against each other: the same network, budget, pruning and file; other penalties.

python -m experiments.sweeps.baselines [--config FILE] [--seeds 5] [--only NAME ...] [--workdir DIR]

For each method of `METHODS`, as many weights are tried as for every other, on one seed. The one
with the lowest error on the validation split is then run on the other seeds, and those runs alone
are judged on the test split, once, from the file that was written. All methods end with the same
number of weights, by gradual pruning; what differs is which, how accurate they are, and how many
bytes they take. Writes WORKDIR/record.json; a run that has been made is not made again.

Cost: 17 methods x (3 + 5) runs, about 150 s each on two CPU cores: some 6 hours.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from rich.progress import track

import jaxcomp
from experiments import report
from experiments.configuration import check, load
from experiments.objective import classification_metrics
from experiments.recipe import train_and_compress
from experiments.statistics import mean_with_interval
from experiments.watch import EVALUATION_BATCH
from jaxcomp.data import DATASETS, Examples, Splits, batches
from jaxcomp.files import replacing
from jaxcomp.models import MODELS
from jaxcomp.train import NonFiniteLossError, evaluate
from jaxcomp.trees import select

CONFIG = Path(__file__).parents[1] / "configs" / "mnist_baselines.py"
TUNING_SEED = 1_000  # not among the seeds of the results
RIDGE = 2e-4  # of the methods "+ l2"
GAP = 1e-3  # weight of the ternary gap in the methods "+ gap"

Changes = dict[str, Any]


def _penalty(name: str, scope: str = "global", **changes: Any) -> Changes:
    settings = {"name": name, "scope": scope, "magnitude": 0.0, "l2": 0.0, **changes}
    return {f"penalty.{key}": value for key, value in settings.items()}


# What each method changes, and the weights that are tried: of the penalty, but for "none", which is
# magnitude pruning alone or with weight decay.
_RATIO = (3e-4, 1e-3, 3e-3)
_METHODS: dict[str, tuple[Changes, tuple[float, ...]]] = {
    "none": (_penalty("none"), (0.0,)),
    "l2": (_penalty("l2"), (5e-5, 2e-4, 8e-4)),
    "l1": (_penalty("l1"), (3e-6, 1e-5, 3e-5)),
    "Hoyer-square": (_penalty("hoyer_square"), (1e-6, 1e-5, 1e-4)),
    "l1/l2 global": (_penalty("l1_over_l2"), _RATIO),
    "l1/l2 global + 10 c": (_penalty("l1_over_l2", magnitude=10.0), _RATIO),
    "l1/l2 per tensor": (_penalty("l1_over_l2", "tensor"), _RATIO),
    "l1/l2 per tensor + 10 c": (_penalty("l1_over_l2", "tensor", magnitude=10.0), _RATIO),
    "l1 + l2": (_penalty("l1", l2=RIDGE), (3e-6, 1e-5, 3e-5)),
    "Hoyer-square + l2": (_penalty("hoyer_square", l2=RIDGE), (1e-6, 1e-5, 1e-4)),
    "l0 hard-concrete": (_penalty("l0_hard_concrete"), (1e-8, 1e-7, 1e-6)),
    "prox of l1": (_penalty("prox_soft"), (3e-6, 1e-5, 3e-5)),
    "prox of l1/l2": (_penalty("prox_ratio"), _RATIO),
}
_WITH_GAP = ("l2", "l1", "l1/l2 global", "l1/l2 global + 10 c")
METHODS = {
    **_METHODS,
    **{
        f"{name} + gap": ({**_METHODS[name][0], "gap.weight": GAP}, _METHODS[name][1])
        for name in _WITH_GAP
    },
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Hold penalties against each other.")
    parser.add_argument(
        "--config", type=Path, default=CONFIG, help=f"what is shared [{CONFIG.name}]"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument("--workdir", type=Path, default=Path("runs/baselines"))
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    config = load(options.config)
    splits = DATASETS[config.data.name](config.data.split_seed)
    options.workdir.mkdir(parents=True, exist_ok=True)

    def made(name: str, weight: float, seed: int, *, test: bool) -> dict[str, Any]:
        kind = "test" if test else "tuning"
        label = f"{name}-{weight}-{seed}-{kind}".replace("/", "").replace(" ", "_")
        path = options.workdir / f"{label}.json"
        if not path.is_file():
            result = run(configured(config, name, weight, seed), splits, test=test)
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(result))
        return json.loads(path.read_text())

    rows = []
    for name in track(options.only, "methods"):
        tried = {w: made(name, w, TUNING_SEED, test=False) for w in METHODS[name][1]}
        weight = min(tried, key=lambda w: tried[w]["validation_error"])
        runs = [made(name, weight, seed, test=True) for seed in range(options.seeds)]
        rows.append({"method": name, "weight": weight, "tried": _errors(tried), **summary(runs)})
    record = {
        "command": f"python -m experiments.sweeps.baselines --seeds {options.seeds}",
        "config": {**config.to_dict(), "seed": None},
        **report.environment(),
        "methods": rows,
    }
    (options.workdir / "record.json").write_text(json.dumps(record, indent=1))
    print(f"{len(rows)} methods are in {options.workdir / 'record.json'}")


def configured(config: ConfigDict, name: str, weight: float, seed: int) -> ConfigDict:
    """The configuration of one run of a method."""
    own = ConfigDict(config.to_dict())
    changes = {**METHODS[name][0], "penalty.weight": weight, "seed": seed}
    own.update_from_flattened_dict(changes)
    check(own)
    return own


def run(config: ConfigDict, splits: Splits, *, test: bool) -> dict[str, Any]:
    """Errors in percent of what was read back from the file, its bytes, and its non-zeros.

    A run that diverges has the errors of a network that is never right.
    """
    model = MODELS[config.model]()
    metrics = classification_metrics(model.apply)
    try:
        outcome = train_and_compress(config, model, splits, lambda *_: lambda state: None)
    except NonFiniteLossError as error:
        return {"validation_error": 100.0, "diverged": str(error)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.jxc"
        size = jaxcomp.save(path, outcome.compressed)
        params = jaxcomp.load(path)

    def error(params: Any, examples: Examples) -> float:
        accuracy = evaluate(metrics, params, batches(examples, EVALUATION_BATCH))["accuracy"]
        return 100 * (1 - accuracy)

    result = {
        "validation_error": error(params, splits.validation),
        "bytes": size,
        "nonzero_weights": sum(int(np.count_nonzero(w)) for w in select(params, None)),
    }
    if test:
        result["test_error"] = error(params, splits.test)
        result["test_error_float"] = error(outcome.penalized, splits.test)
    return result


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means with 95 % bootstrap intervals over the seeds, of the runs that did not diverge."""
    ended = [one for one in runs if "diverged" not in one]
    keys = sorted(ended[0]) if ended else []
    return {
        "diverged": len(runs) - len(ended),
        **{key: mean_with_interval([one[key] for one in ended]) for key in keys},
    }


def _errors(tried: dict[float, dict[str, Any]]) -> dict[str, float]:
    return {str(weight): result["validation_error"] for weight, result in tried.items()}


if __name__ == "__main__":
    main()
