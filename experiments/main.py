"""Train a network with the compressibility loss and store it in a small file.

python -m experiments.main [--config=FILE.py] [--config.KEY=VALUE ...] [--workdir=DIR]

Writes config.json, metrics.jsonl, model.jxc, report.json, figure.png (the run at a glance) and
details.png (each layer, and the curves) into the workdir; with --tensorboard the curves for
TensorBoard too. A run that was stopped or killed goes on by the same command, and ends with the
same file. On SIGTERM it saves first, and exits with status 75; Ctrl-C ends it at once, and the work
since the last checkpoint is done again. Damaged checkpoints are passed over with a warning. A
second run in the same workdir ends at once.
Several processes make one run together by --cluster, or by --coordinator, --processes and
--process: see experiments/CLUSTERS.md.
The configurations are in experiments/configs; the default needs no download.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

import jaxcomp
from experiments.devices import processes
from experiments.devices.mesh import RulesError, mesh_of
from experiments.devices.processes import JoinError
from experiments.evaluate import CONFIG_FILE, MODEL_FILE
from experiments.mistakes import in_one_line, show_warnings
from experiments.report import run_report
from experiments.report.environment import environment
from experiments.report.evaluation import judged, same_arrays
from experiments.report.plots.files import save
from experiments.run.lock import LockedError, locked_by_first
from experiments.run.same_run import STOPPED, check_same_run
from experiments.run.tensorboard import TensorBoard
from experiments.run.watch import curves_of
from experiments.settings.flags import parse_flags
from experiments.settings.networks import SettingError
from experiments.settings.settings import settings_of
from experiments.training.objective import classification_metrics
from experiments.training.recipe import Outcome, train_and_compress
from jaxcomp import strict_json
from jaxcomp.cli.stopping import Stopped
from jaxcomp.data import Split, Splits
from jaxcomp.files import replacing
from jaxcomp.printable import printable
from jaxcomp.recipe.progress import Progress, StoppedError
from jaxcomp.recipe.watch import both
from jaxcomp.screen import PlainConsole
from jaxcomp.train import NonFiniteLossError, ResumeError
from jaxcomp.train.processes import is_first, wait_for_all

METRICS_FILE = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
# What a user can act on, beside files and packages that are missing or damaged.
MISTAKES = (JoinError, LockedError, RulesError, SettingError, NonFiniteLossError, ResumeError)

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "configuration to run [experiments/configs/digits_lenet300.py]"
)
_TENSORBOARD = flags.DEFINE_bool("tensorboard", False, "write curves for TensorBoard too")
_CHECKPOINT_SECONDS = flags.DEFINE_float(
    "checkpoint_seconds", 60.0, "least time between two checkpoints", lower_bound=0.0
)
_CLUSTER = flags.DEFINE_bool(
    "cluster", False, "join the processes that SLURM, Kubernetes or a TPU pod has started"
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "join processes started by hand: HOST:PORT of the first one"
)
_PROCESSES = flags.DEFINE_integer("processes", None, "how many there are", lower_bound=1)
_PROCESS = flags.DEFINE_integer("process", None, "which of them this is, from 0", lower_bound=0)
_WORKDIR = flags.DEFINE_string("workdir", None, "where to write [runs/NAME-seedSEED]")


def main(argv: list[str]) -> None:
    """The command: what a user can act on is one line, not a traceback."""
    del argv
    logging.set_verbosity(logging.ERROR)  # jax and TFDS report what no user can act on
    show_warnings()
    with in_one_line(*MISTAKES):
        try:
            processes.join(_CLUSTER.value, _COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
            run()
        except Stopped as stop:
            print(f"{stop}: the same command resumes the run", file=sys.stderr)
            # Who starts a run again by its status does not want to if it was stopped by hand.
            sys.exit(stop.status if stop.signal == signal.SIGINT else STOPPED)
        except StoppedError as stop:
            print(f"{stop}: the same command goes on from there", file=sys.stderr)
            sys.exit(STOPPED)


def run() -> None:
    """Make the run of the configuration in its workdir, with no other run beside it."""
    config = _CONFIG.value
    workdir = Path(_WORKDIR.value or f"runs/{config.name}-seed{config.seed}")
    workdir.mkdir(parents=True, exist_ok=True)
    with locked_by_first(workdir):
        make(config, workdir)


def make(config: ConfigDict, workdir: Path) -> None:
    """Wire configuration, data, model and recipe; the first process writes what comes of it."""
    settings, first, checkpoints = settings_of(config), is_first(), workdir / CHECKPOINTS
    begin, made_with = time.monotonic(), environment()  # before the checkout can change
    console = PlainConsole(quiet=not first)
    try:
        mesh_of(settings.training.mesh, settings.training.batch_size)
        check_same_run(checkpoints, workdir / CONFIG_FILE, config.to_json())
    except ValueError as error:
        sys.exit(printable(f"error: {error}"))
    wait_for_all("configuration read")
    if first:
        with replacing(workdir / CONFIG_FILE) as file:
            file.write_text(config.to_json(indent=2))

    with console.status(f"reading {settings.data.name}"):
        splits = settings.data.load()
    if (size := settings.training.batch_size) > splits.train.number:
        sys.exit(f"error: batch_size={size}: there are {splits.train.number} examples to train on")
    metrics = classification_metrics(settings.network.to_evaluate().apply)
    followed = workdir / METRICS_FILE if first else Path(os.devnull)
    with ExitStack() as stack:
        draws = _TENSORBOARD.value and first
        also = [stack.enter_context(TensorBoard(workdir))] if draws else []
        curves = stack.enter_context(
            curves_of(metrics, splits.validation, settings.recipe.steps, console, followed, *also)
        )
        progress = stack.enter_context(Progress(checkpoints, _CHECKPOINT_SECONDS.value))
        # What was seen is shown, then saved.
        outcome = train_and_compress(settings, splits, both(curves.watch, progress.watch))
    if first:
        file_bytes = jaxcomp.save(workdir / MODEL_FILE, outcome.compressed)
        with console.status("reading the file back in a fresh process"):
            read_back = evaluated(workdir)
        numbers = {
            "config": config.to_dict(),
            "seed": settings.training.seed,
            **made_with,
            **accuracies(metrics, splits, outcome, read_back),
            "storage": run_report.storage(outcome.compressed, file_bytes),
            "layers": run_report.layers(outcome.compressed),
            "seconds": time.monotonic() - begin,
            "history": curves.points,
        }
        finish(workdir, numbers, outcome, console)


def evaluated(workdir: Path) -> dict[str, float]:
    """Return metrics on the test split of a workdir's file, by a process that has nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "experiments.evaluate", str(workdir)],
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,  # Ctrl-C is for this process, which ends that one
        env={**os.environ, "JAX_PLATFORMS": "cpu"},  # the accelerator's memory is this process's
    )
    if done.returncode:
        sys.exit(f"error: {workdir / MODEL_FILE} could not be judged, the line above says why")
    return strict_json.with_nan(json.loads(done.stdout)["test"])


def accuracies(
    metrics: Callable, splits: Splits, outcome: Outcome, read_back: dict[str, float]
) -> dict[str, Any]:
    """Return what a report says of how well each network does, and the file that was read back."""

    def on(examples: Split) -> dict[str, dict[str, float]]:
        each = outcome._asdict().items()
        return {name: judged(metrics, params, examples) for name, params in each}

    test = on(splits.test) | {"read_back": read_back}
    return {
        "test_examples": splits.test.number,
        "test_accuracy": run_report.column(test, "accuracy"),
        "test_bits": run_report.column(test, "bits"),
        "validation_accuracy": run_report.column(on(splits.validation), "accuracy"),
    }


def finish(workdir: Path, numbers: dict[str, Any], outcome: Outcome, console: PlainConsole) -> None:
    """Write and show the report; then, if the file holds this network, the run is over."""
    strict_json.write(workdir / "report.json", numbers, indent=1)
    save(run_report.figure(outcome, numbers), workdir / "figure.png")
    save(run_report.details(outcome, numbers["history"]), workdir / "details.png")
    run_report.show(numbers, console)
    if numbers["config"]["data"]["train_on_validation"]:
        console.print("The validation split was trained on: its accuracy says nothing.")
    console.print(f"model.jxc, report.json, figure.png and details.png are in {workdir}")
    # Not by the accuracies: on accelerators two processes may round differently.
    if not same_arrays(jaxcomp.load(workdir / MODEL_FILE), outcome.compressed):
        sys.exit("error: the network read back from the file differs from the one written")
    shutil.rmtree(workdir / CHECKPOINTS, ignore_errors=True)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
