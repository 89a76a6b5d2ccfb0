"""Watching a run: a progress bar, and points for the curves."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
from rich.console import Console

import jaxcomp
from experiments.report.evaluation import accuracy
from jaxcomp.data import Split
from jaxcomp.losses import compressibility_tree
from jaxcomp.recipe.bar import TrainingBar
from jaxcomp.recipe.history import History
from jaxcomp.recipe.watch import Watch
from jaxcomp.train import TrainState

_SHOWN = frozenset({"validation_accuracy"})


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
        self._also = also
        self._bar = TrainingBar(
            console,
            total_steps,
            "validation accuracy",
            lambda point: f"{point['validation_accuracy']:.4f}",
        )
        self._points = History(file, _SHOWN, self._show)
        self.history = self._points.points
        self._metrics = metrics
        self._validation = validation

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._points)
            stack.enter_context(self._bar)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        self._open.close()

    @property
    def watch(self) -> Watch:
        """Return who sees the states of a run."""

        def resume(phase: str, start: TrainState) -> TrainState:
            self._points.resume(phase, int(start.step))
            return start

        return Watch(self.phase, resume)

    def phase(
        self, name: str, to_params: Callable[[TrainState], Any]
    ) -> Callable[[TrainState], None]:
        """Return a function that looks at the states of one phase."""

        def look(state: TrainState) -> None:
            params = to_params(state)
            self._points.add(
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

    def _show(self, point: dict[str, Any]) -> None:
        self._also(point)
        self._bar.show(point)
