"""Keeps the curves of a training: points at every look, shown, in memory and in a file."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jaxcomp.recipe.bar import TrainingBar
from jaxcomp.recipe.history import History, Point
from jaxcomp.recipe.watch import Look, ToParams, Watch
from jaxcomp.train import TrainState
from jaxcomp.transforms import added_penalty

PyTree = Any


class Curves:
    """Keeps a point for each look at a run, and shows its progress; use it in a `with` statement.

    A point has the phase, the step within it, the loss of the last batch, measures of the
    parameters, and the penalty that was added to the loss.

    Attributes:
      points: the points of this run, and those of an earlier run that this one resumes.
      watch: the functions that look at the states of a run.
    """

    def __init__(
        self,
        bar: TrainingBar,
        file: Path | None,
        measures: Mapping[str, Callable[[PyTree], float]],
        also: Callable[[Point], None] = lambda point: None,
    ) -> None:
        """Set what is shown and kept.

        Args:
          bar: shows the progress.
          file: the file for the points, a line of JSON for each; None for memory alone.
          measures: functions of parameters, by name.
          also: called with each point.
        """
        self._bar, self._measures, self._also = bar, measures, also
        keys = frozenset({"loss", *measures, "penalty"})
        self._history = History(file, keys, self._show)
        self.points = self._history.points
        self.watch = Watch(self._look, self._resume)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._history)
            stack.enter_context(self._bar)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def _look(self, phase: str, to_params: ToParams) -> Look:
        def look(state: TrainState) -> None:
            params = to_params(state) if self._measures else None
            self._history.add(
                {
                    "phase": phase,
                    "step": int(state.step),
                    "loss": float(state.loss),
                    **{name: measure(params) for name, measure in self._measures.items()},
                    "penalty": float(added_penalty(state.opt_state)),
                }
            )

        return look

    def _resume(self, phase: str, start: TrainState) -> TrainState:
        self._history.resume(phase, int(start.step))
        return start

    def _show(self, point: Point) -> None:
        self._also(point)
        self._bar.show(point)
