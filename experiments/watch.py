"""Watching a run: a progress bar, and points for the curves."""

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import optax
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.judge import accuracy
from jaxcomp.data import Examples
from jaxcomp.losses import compressibility_tree
from jaxcomp.train import TrainState


class Watcher:
    """Shows progress and keeps a history while training runs (used as a context).

    Each point is also a line of JSON in a file, which can be followed while training runs.

    Attributes:
      history: one dict for each look, with phase, step within the phase, loss of the last batch,
        validation accuracy, compressibility (global) and the penalty that was added to the loss.
    """

    def __init__(
        self,
        metrics: Callable,
        validation: Examples,
        total_steps: int,
        file: Path,
        also: Callable[[dict[str, Any]], None] = lambda point: None,
    ):
        """Each point is also handed to the function `also`."""
        self.history: list[dict[str, Any]] = []
        self._file, self._also = file, also
        self._metrics = metrics
        self._validation = validation
        columns = (
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            TextColumn("validation accuracy {task.fields[accuracy]}"),
        )
        self._progress = Progress(*columns)
        self._bar = self._progress.add_task("start", total=total_steps, accuracy="-")

    def __enter__(self) -> Self:
        self._lines = self._file.open("w")
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        self._progress.stop()
        self._lines.close()

    def phase(
        self, name: str, to_params: Callable[[TrainState], Any]
    ) -> Callable[[TrainState], None]:
        """A function that looks at the states of one phase (`experiments.trainer.Watch`)."""
        seen = 0

        def look(state: TrainState) -> None:
            nonlocal seen
            params = to_params(state)
            # A chain may have more than one, such as that of the configuration and l2 beside it.
            penalties = optax.tree.get_all_with_path(state.opt_state, "penalty")
            point = {
                "phase": name,
                "step": int(state.step),
                "loss": float(state.loss),
                "validation_accuracy": accuracy(self._metrics, params, self._validation),
                "compressibility": float(jax.jit(compressibility_tree)(params)),
                "penalty": sum((float(value) for _, value in penalties), 0.0),
            }
            self.history.append(point)
            print(json.dumps(point), file=self._lines, flush=True)
            self._also(point)
            self._progress.update(
                self._bar,
                advance=point["step"] - seen,
                description=name,
                accuracy=f"{point['validation_accuracy']:.4f}",
            )
            seen = point["step"]

        return look
