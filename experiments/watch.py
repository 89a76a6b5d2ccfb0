"""Watching a run: a progress bar, and points for the curves."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import jaxcomp
from experiments.judge import accuracy
from jaxcomp import strict_json
from jaxcomp.data import Split
from jaxcomp.files import replacing
from jaxcomp.losses import compressibility_tree
from jaxcomp.train import TrainState

_LOG = logging.getLogger(__name__)


class Watcher:
    """Shows progress and keeps a history while training runs (used as a context).

    Each point is also a line of JSON in a file, which can be followed while training runs. Points
    of a run before, which is gone on with, stay.

    Attributes:
      history: one dict for each look, with phase, step within the phase, loss of the last batch,
        validation accuracy, compressibility (global) and the penalty that was added to the loss.
    """

    def __init__(
        self,
        metrics: Callable,
        validation: Split,
        total_steps: int,
        console: Console,
        file: Path,
        also: Callable[[dict[str, Any]], None] = lambda point: None,
    ):
        """The console shows the progress. Each point is also handed to the function `also`."""
        self.history: list[dict[str, Any]] = []
        self._file, self._also = file, also
        self._earlier: list[dict[str, Any]] = []
        self._seen: dict[str, int] = {}  # steps by phase
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
        self._progress = Progress(*columns, console=console)
        self._bar = self._progress.add_task("start", total=total_steps, accuracy="-")

    def __enter__(self) -> Self:
        self._earlier = _points(self._file)
        self._lines = self._file.open("a" if self._earlier else "w")
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        self._progress.stop()
        self._lines.close()

    def go_on(self, phase: str, step: int) -> None:
        """Take over the points of the run before up to this step of a phase.

        Those of later phases stay in the file until their phase begins: until then a run that is
        killed again has lost none.
        """
        if not self._earlier:
            return
        for point in self._earlier:
            if point["phase"] == phase and point["step"] <= step:
                self._show(point)
        self._earlier = [point for point in self._earlier if point["phase"] != phase]
        self._lines.close()
        with replacing(self._file) as file:
            file.write_text("".join(map(_line, [*self.history, *self._earlier])))
        self._lines = self._file.open("a")

    def phase(
        self, name: str, to_params: Callable[[TrainState], Any]
    ) -> Callable[[TrainState], None]:
        """A function that looks at the states of one phase (`experiments.trainer.Watch`)."""

        def look(state: TrainState) -> None:
            params = to_params(state)
            self._add(
                {
                    "phase": name,
                    "step": int(state.step),
                    "loss": float(state.loss),
                    "validation_accuracy": accuracy(self._metrics, params, self._validation),
                    "compressibility": float(jax.jit(compressibility_tree)(params)),
                    "penalty": float(jaxcomp.added_penalty(state.opt_state)),
                }
            )

        return look

    def _add(self, point: dict[str, Any]) -> None:
        self._lines.write(_line(point))
        self._lines.flush()
        self._show(point)

    def _show(self, point: dict[str, Any]) -> None:
        phase, step = point["phase"], point["step"]
        self.history.append(point)
        self._also(point)
        self._progress.update(
            self._bar,
            advance=step - self._seen.get(phase, 0),
            description=phase,
            accuracy=f"{point['validation_accuracy']:.4f}",
        )
        self._seen[phase] = step


def _line(point: dict[str, Any]) -> str:
    return strict_json.dumps(point) + "\n"


def _points(file: Path) -> list[dict[str, Any]]:
    """Read the points that a run before has written; its last line may have been cut off."""
    text = file.read_text(errors="replace") if file.is_file() else ""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    points = list(filter(None, map(_point, lines)))
    if len(points) < len(lines):
        _LOG.warning(
            "%s: %d of %d lines are damaged and left out",
            file,
            len(lines) - len(points),
            len(lines),
        )
    return points


def _point(line: str) -> dict[str, Any] | None:
    """Read one point, or return None if the line is damaged."""
    try:
        point = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(point, dict) and point.keys() >= {"phase", "step", "validation_accuracy"}
    return strict_json.with_nan(point) if whole else None
