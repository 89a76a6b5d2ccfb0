"""Penalties held against each other: the same network, budget, pruning and file; other penalties.

python -m experiments.sweeps.baselines [--config FILE] [--seeds 5] [--only NAME ...] [--workdir DIR]

A run trains a sparse network with one of `ARMS`, and makes a file of it in each of the ways
of `ENDINGS`. For each penalty weights and learning rates are tried on one seed, by one rule: a grid
of as many as for every other, and further ones while the best are at its edge (`explored`). Those
with the lowest error of the file with two levels on the validation split are then run on the other
seeds, and these runs alone are judged on the test split, once. All end with the same number of
weights, by gradual pruning; what differs is which, how accurate they are, and how many bytes they
take. Writes WORKDIR/record.json. A run that has been made is not made again, and processes with
other --only can share the work.

Cost: 21 penalties x (6 to 20 + 5) runs, 20 to 45 s each on one CPU core: some 3 hours.
"""

import argparse
import hashlib
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from rich.progress import track

from experiments.mistakes import in_one_line
from experiments.report.environment import environment
from experiments.report.evaluation import error, nonzero_weights, through_file
from experiments.report.statistics import mean_with_interval
from experiments.settings.check import check
from experiments.settings.flags import load
from experiments.settings.settings import settings_of
from experiments.sweeps.runs import kept
from experiments.training.objective import classification_metrics, settled
from experiments.training.recipe import compress, train_sparse
from jaxcomp import strict_json
from jaxcomp.data import Splits
from jaxcomp.recipe.watch import UNWATCHED
from jaxcomp.train import NonFiniteLossError

CONFIG = Path(__file__).parents[1] / "configs" / "mnist_baselines.py"
TUNING_SEED = 1_000  # not among the seeds of the results
RIDGE = 2e-4  # of the penalties "+ l2"
LEARNING_RATES = (2e-3, 8e-3)  # of the penalty phase
WIDEST = 5  # values of a setting that are tried at most

PyTree = Any
Changes = dict[str, Any]
Axes = tuple[tuple[float, ...], ...]


def _penalty(name: str, scope: str = "global", **changes: Any) -> Changes:
    settings = {"name": name, "scope": scope, "level_strength": 0.0, "l2": 0.0, "decoupled": False}
    return {f"penalty.{key}": value for key, value in {**settings, **changes}.items()}


# The arms of the comparison: what each penalty changes, and the strengths that are tried first.
_RATIO, _BY_ITSELF = (3e-4, 1e-3, 3e-3), (0.3, 1.0, 3.0)
ARMS: dict[str, tuple[Changes, tuple[float, ...]]] = {
    "none": (_penalty("none"), (0.0,)),
    "none + l2": (_penalty("none", l2=RIDGE), (0.0,)),
    "l2": (_penalty("l2"), (5e-5, 2e-4, 8e-4)),
    "l2 decoupled": (_penalty("l2", decoupled=True), (0.01, 0.03, 0.1)),
    "l1": (_penalty("l1"), (3e-6, 1e-5, 3e-5)),
    "l1 + l2": (_penalty("l1", l2=RIDGE), (3e-6, 1e-5, 3e-5)),
    "Hoyer-square": (_penalty("hoyer_square"), (1e-6, 1e-5, 1e-4)),
    "Hoyer-square + l2": (_penalty("hoyer_square", l2=RIDGE), (1e-6, 1e-5, 1e-4)),
    "l1/l2": (_penalty("l1_over_l2"), _RATIO),
    "l1/l2 decoupled": (_penalty("l1_over_l2", decoupled=True), _BY_ITSELF),
    "l1/l2 + 1000 c": (_penalty("l1_over_l2", level_strength=1_000.0), (1e-4, 3e-4, 1e-3)),
    "l1/l2 + l2": (_penalty("l1_over_l2", l2=RIDGE), _RATIO),
    "l1/l2 per tensor": (_penalty("l1_over_l2", "tensor"), _RATIO),
    "l1/l2 per tensor decoupled": (_penalty("l1_over_l2", "tensor", decoupled=True), _BY_ITSELF),
    "l1/l2 per tensor + 1000 c": (
        _penalty("l1_over_l2", "tensor", level_strength=1_000.0),
        (1e-4, 3e-4, 1e-3),
    ),
    "l1/l2 per tensor + l2": (_penalty("l1_over_l2", "tensor", l2=RIDGE), _RATIO),
    "l0 hard-concrete": (_penalty("l0_hard_concrete"), (1e-8, 1e-7, 1e-6)),
    "l0 hard-concrete + l2": (_penalty("l0_hard_concrete", l2=RIDGE), (1e-8, 1e-7, 1e-6)),
    "prox of l1": (_penalty("prox_soft"), (3e-6, 1e-5, 3e-5)),
    "prox of l1/l2": (_penalty("prox_ratio"), (1e-5, 1e-4, 1e-3)),
    "prox of l1/l2 + l2": (_penalty("prox_ratio", l2=RIDGE), (1e-5, 1e-4, 1e-3)),
}
# How a sparse network becomes few-valued, all in the same number of steps.
GAP = 1e-3
JUDGED = "two levels"  # the ending by which settings are chosen
ENDINGS: dict[str, Changes] = {
    JUDGED: {"quantize.number": 2},
    "ternary": {"quantize.number": 1},
    "ternary, gap": {"quantize.number": 1, "gap.strength": GAP},
}
GAP_SHARE = 0.4  # of the steps of an ending with the gap


@in_one_line()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Hold penalties against each other.")
    parser.add_argument(
        "--config", type=Path, default=CONFIG, help=f"what is shared [{CONFIG.name}]"
    )
    parser.add_argument("--seeds", type=int, default=5)
    names = list(ARMS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--workdir", type=Path, default=Path("runs/baselines"))
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    config = load(options.config)
    if config.data.train_on_validation:
        parser.error(
            f"{options.config} trains on the validation split, by which settings are chosen"
        )
    splits = settings_of(config).data.load()
    shared = hashlib.sha256(config.to_json(sort_keys=True).encode()).hexdigest()[:8]

    def made(name: str, setting: tuple[float, float], seed: int, *, test: bool) -> dict[str, Any]:
        own = configured(config, name, *setting, seed)
        kind = "test" if test else "tuning"
        label = f"{name} {setting} {seed} {kind} {shared}"
        return kept(options.workdir, label, partial(run, own, splits, test=test))

    rows = []
    for name in track(options.only, "penalties", refresh_per_second=1):
        tried = explored(
            (ARMS[name][1], LEARNING_RATES),
            lambda one, name=name: validation_error(made(name, one, TUNING_SEED, test=False)),
        )
        best = min(tried, key=tried.__getitem__)
        runs = [made(name, best, seed, test=True) for seed in range(options.seeds)]
        rows.append(
            {
                "penalty": name,
                "weight": best[0],
                "learning_rate": best[1],
                "tried": [
                    {"weight": weight, "learning_rate": rate, "validation_error": error}
                    for (weight, rate), error in tried.items()
                ],
                "diverged": sum("diverged" in one for one in runs),
                "networks": summary(runs),
            }
        )
    record = {
        "command": f"python -m experiments.sweeps.baselines --seeds {options.seeds}",
        "config": {**config.to_dict(), "seed": None},
        **environment(),
        "penalties": rows,
    }
    strict_json.write(options.workdir / "record.json", record, indent=1)
    print(f"{len(rows)} penalties are in {options.workdir / 'record.json'}")


def explored(
    axes: Axes, cost: Callable[[tuple[float, ...]], float], *, widest: int = WIDEST
) -> dict[tuple[float, ...], float]:
    """Costs of all settings of a grid, which grows until the best is not at its edge.

    Args:
      axes: the first values of each setting, ascending; a setting with one value has that alone.
      cost: of one setting; asked once for each.
      widest: values of a setting beyond which it does not grow.
    """
    tried: dict[tuple[float, ...], float] = {}
    while True:
        new = [setting for setting in itertools.product(*axes) if setting not in tried]
        if not new:
            return tried
        tried.update({setting: cost(setting) for setting in new})
        best = min(tried, key=tried.__getitem__)
        axes = tuple(
            _wider(values, value) if 1 < len(values) < widest else values
            for values, value in zip(axes, best, strict=True)
        )


def _wider(values: tuple[float, ...], best: float) -> tuple[float, ...]:
    """Add one more beyond the best, if that is the first or the last: as far from it as the next.

    Rounded to three digits, as settings name files.
    """
    first, second, *_ = values
    *_, before, last = values
    if best == first:
        return (float(f"{first**2 / second:.3g}"), *values)
    if best == last:
        return (*values, float(f"{last**2 / before:.3g}"))
    return values


def configured(
    config: ConfigDict, name: str, weight: float, learning_rate: float, seed: int
) -> ConfigDict:
    """The configuration of the first half of a run."""
    own = {"penalty.strength": weight, "penalty.learning_rate": learning_rate, "seed": seed}
    return changed(config, {**ARMS[name][0], **own})


def changed(config: ConfigDict, changes: Changes) -> ConfigDict:
    """A copy with other values for some keys, checked."""
    own = ConfigDict(config.to_dict())
    own.update_from_flattened_dict(changes)
    check(own)
    return own


def ending(config: ConfigDict, name: str) -> ConfigDict:
    """The configuration of the second half; all endings have the same number of steps."""
    steps = config.quantize.steps
    gap = round(GAP_SHARE * steps) if "gap.strength" in ENDINGS[name] else 0
    return changed(config, {**ENDINGS[name], "gap.steps": gap, "quantize.steps": steps - gap})


def run(config: ConfigDict, splits: Splits, *, test: bool) -> dict[str, Any]:
    """Errors in percent and non-zeros of the sparse network as floats, and by each ending.

    Files are written, and what is judged is what was read back; their bytes are counted. Of a run
    that diverges there is the message alone. On the test split all endings are judged; without it,
    that by which settings are chosen.
    """
    settings = settings_of(config)
    metrics = classification_metrics(settings.network.to_evaluate().apply)

    def judged(params: PyTree) -> dict[str, float]:
        result = {
            "validation_error": error(metrics, params, splits.validation),
            "nonzero_weights": nonzero_weights(params),
        }
        return {**result, "test_error": error(metrics, params, splits.test)} if test else result

    try:
        sparse = train_sparse(settings, splits, UNWATCHED)
        results = {"float": judged(settled(sparse.penalized))}
        for name in ENDINGS if test else (JUDGED,):
            ended = compress(settings_of(ending(config, name)), UNWATCHED, sparse)
            params, size = through_file(ended.compressed)
            results[name] = {**judged(params), "bytes": size}
    except NonFiniteLossError as reason:
        return {"diverged": str(reason)}
    return results


def validation_error(result: dict[str, Any]) -> float:
    """Return what settings are chosen by, in percent; 100 where training diverged."""
    return 100.0 if "diverged" in result else result[JUDGED]["validation_error"]


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Average over the seeds that did not diverge, with 95 % bootstrap intervals, by network."""
    ended = [one for one in runs if "diverged" not in one]
    if not ended:
        return {}
    return {
        network: {
            key: mean_with_interval([one[network][key] for one in ended]) for key in of_network
        }
        for network, of_network in ended[0].items()
    }


if __name__ == "__main__":
    main()
