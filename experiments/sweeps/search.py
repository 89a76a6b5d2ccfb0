"""Search for configurations whose files are small and accurate, on the validation split.

python -m experiments.sweeps.search --config FILE --vary KEY=LOW:HIGH[:log] --vary KEY=A,B,C ...
    [--set KEY=VALUE ...] [--trials 50] [--storage URL] [--study NAME] [--workdir DIR]

Each trial runs the recipe with values for the keys that Optuna proposes, and is judged by what is
read back from its file: bytes, and error on the validation split. The test split is not looked at.
Trials are kept in a data base, by default of SQLite in the workdir: a search that was killed goes
on with another trial; with the URL of a server many machines share one search.
Prints the Pareto front, and writes it with a figure into the workdir. For example:

python -m experiments.sweeps.search --config experiments/configs/mnist_lenet300.py \
    --set data.train_on_validation=False --vary penalty.name=l1,l1_over_l2 \
    --vary penalty.strength=1e-6:1e-2:log --vary prune.density=0.007:0.02:log
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import jax
import optuna
from ml_collections import ConfigDict
from rich.table import Table

from experiments.mistakes import in_one_line
from experiments.report.environment import environment
from experiments.report.evaluation import error, nonzero_weights, through_file
from experiments.report.plots.files import save
from experiments.report.plots.pareto import pareto_figure
from experiments.settings.check import check
from experiments.settings.flags import DEFAULT, load
from experiments.settings.keys import typed
from experiments.settings.settings import settings_of
from experiments.sweeps.data_base import opened
from experiments.training.objective import classification_metrics
from experiments.training.recipe import train_and_compress
from jaxcomp import strict_json
from jaxcomp.data import Splits
from jaxcomp.recipe.watch import UNWATCHED
from jaxcomp.screen import PlainConsole
from jaxcomp.train import NonFiniteLossError

STATES = optuna.trial.TrialState
TRIED = (STATES.COMPLETE, STATES.PRUNED)

Space = dict[str, optuna.distributions.BaseDistribution]


@in_one_line()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Search for small and accurate files.")
    parser.add_argument("--config", type=Path, default=DEFAULT, help=f"[{DEFAULT.name}]")
    parser.add_argument(
        "--vary",
        action="append",
        required=True,
        metavar="KEY=RANGE",
        help="LOW:HIGH, LOW:HIGH:log or A,B,C",
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--trials", type=int, default=50, help="of the whole search [50]")
    parser.add_argument("--storage", metavar="URL", help="data base [SQLite in the workdir]")
    parser.add_argument("--study", help="name of the search in it [name of the configuration]")
    parser.add_argument("--workdir", type=Path, default=Path("runs/search"))
    options = parser.parse_args()
    try:
        config = load(options.config)
        config.update_from_flattened_dict(dict(fixed(config, text) for text in options.set))
        space = dict(varied(config, text) for text in options.vary)
        if config.data.train_on_validation:
            raise ValueError(
                "what is trained on cannot be chosen by: --set data.train_on_validation=False"
            )
        if options.trials < 1:
            raise ValueError("--trials must be at least 1")
        check(config)
    except ValueError as reason:
        parser.error(str(reason))

    options.workdir.mkdir(parents=True, exist_ok=True)
    with opened(options.storage, options.study or config.name, options.workdir) as study:
        search(study, options, config, space)


def search(
    study: optuna.Study, options: argparse.Namespace, config: ConfigDict, space: Space
) -> None:
    """Make the trials that are left, and write what came out."""
    splits = settings_of(config).data.load()
    stop = optuna.study.MaxTrialsCallback(options.trials, states=TRIED)
    if len(study.get_trials(deepcopy=False, states=TRIED)) < options.trials:
        study.optimize(lambda trial: judged(trial, config, space, splits), callbacks=[stop])
    if not finished(study):
        sys.exit("error: in no trial do the values go together; the last one says why above")
    front = sorted(study.best_trials, key=lambda trial: trial.values)
    show(front, list(space))
    record = {
        "config": config.to_dict(),
        "vary": {key: str(distribution) for key, distribution in space.items()},
        **environment(),
        "trials": [described(trial) for trial in finished(study)],
        "front": [trial.number for trial in front],
    }
    strict_json.write(options.workdir / "search.json", record, indent=1)
    figure = pareto_figure({"trials": [trial.values for trial in finished(study)]})
    save(figure, options.workdir / "front.png")
    print(f"search.json and front.png are in {options.workdir}")


def fixed(config: ConfigDict, text: str) -> tuple[str, Any]:
    """A key of the configuration and its value, from `KEY=VALUE`.

    Raises:
      ValueError: if there is no such key, or the value is of another type.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not KEY=VALUE")
    return key, typed(config, key, value)


def varied(config: ConfigDict, text: str) -> tuple[str, optuna.distributions.BaseDistribution]:
    """A key of the configuration and what it can be, from `KEY=LOW:HIGH[:log]` or `KEY=A,B,C`.

    Raises:
      ValueError: if there is no such key, a value is of another type, or a range is empty.
    """
    key, equals, values = text.partition("=")
    if not equals or not values:
        raise ValueError(f"{text!r} is not KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C")
    if ":" not in values:
        choices = [typed(config, key, value) for value in values.split(",")]
        return key, optuna.distributions.CategoricalDistribution(choices)
    low, high, *scale = values.split(":")
    if scale not in ([], ["log"]):
        raise ValueError(f"{text!r}: after LOW:HIGH only :log can stand")
    low, high = typed(config, key, low), typed(config, key, high)
    kinds = {
        int: optuna.distributions.IntDistribution,
        float: optuna.distributions.FloatDistribution,
    }
    if type(low) not in kinds:
        raise ValueError(f"{key} is no number: list what it can be, as {key}=A,B,C")
    return key, kinds[type(low)](low, high, log=bool(scale))


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that have been judged."""
    return study.get_trials(deepcopy=False, states=[STATES.COMPLETE])


def judged(
    trial: optuna.Trial, config: ConfigDict, space: Space, splits: Splits
) -> tuple[float, float]:
    """Bytes and validation error in percent; where training diverges, of a dense random network.

    Raises:
      optuna.TrialPruned: if the values do not go together; the search takes others.
    """
    own = ConfigDict(config.to_dict())
    values = {key: suggested(trial, key, distribution) for key, distribution in space.items()}
    own.update_from_flattened_dict(values)
    try:
        check(own)
    except ValueError as reason:  # values that are good alone, but not together
        print(f"trial {trial.number}: {reason}", flush=True)
        raise optuna.TrialPruned(str(reason)) from reason
    settings = settings_of(own)
    model = settings.network.to_evaluate()
    try:
        outcome = train_and_compress(settings, splits, UNWATCHED)
        params, size = through_file(outcome.compressed)
        trial.set_user_attr("nonzero_weights", nonzero_weights(params))
    except NonFiniteLossError as reason:
        trial.set_user_attr("diverged", str(reason))
        start = model.init(jax.random.key(settings.training.seed), splits.train.one_input())
        params, size = through_file(start["params"])
    wrong = error(classification_metrics(model.apply), params, splits.validation)
    jax.clear_caches()  # each trial compiles functions of its own, which would all be kept
    print(f"trial {trial.number}: {size:,} bytes, {wrong:.2f} %, {values}", flush=True)
    return size, wrong


def suggested(
    trial: optuna.Trial, key: str, distribution: optuna.distributions.BaseDistribution
) -> Any:
    """The value of a key in a trial."""
    match distribution:
        case optuna.distributions.CategoricalDistribution():
            return trial.suggest_categorical(key, distribution.choices)
        case optuna.distributions.IntDistribution():
            suggest = trial.suggest_int
        case optuna.distributions.FloatDistribution():
            suggest = trial.suggest_float
    return suggest(key, distribution.low, distribution.high, log=distribution.log)


def described(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """A finished trial as it stands in the record."""
    size, wrong = trial.values
    return {
        "number": trial.number,
        "bytes": int(size),
        "validation_error": wrong,
        **trial.user_attrs,
        "values": trial.params,
    }


def show(front: list[optuna.trial.FrozenTrial], keys: list[str]) -> None:
    """Print the trials that none is better than in both."""
    table = Table(title="smallest files for their error on the validation split")
    for heading in ("trial", "bytes", "error, %", *keys):
        table.add_column(heading, justify="right")
    for trial in front:
        size, wrong = trial.values
        values = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in trial.params.values()]
        table.add_row(str(trial.number), f"{size:,.0f}", f"{wrong:.2f}", *values)
    PlainConsole().print(table)


if __name__ == "__main__":
    main()
