"""Keeps the progress of a training on disk, so that it resumes where it was stopped."""

import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from jaxcomp.recipe.watch import Watch
from jaxcomp.train import Checkpoints, ResumeError, TrainState
from jaxcomp.train.processes import any_of_them, is_first, wait_for_all

_LOG = logging.getLogger(__name__)


class StoppedError(Exception):
    """Says that the run was asked to end, and has saved what it needs to resume."""


class Progress:
    """Keeps checkpoints of the phases of a run in a folder; use it in a `with` statement.

    Everything between two phases is computed again from their ends, which takes little time and
    gives the same. So is a phase that was shorter than the time between two checkpoints. A SIGTERM,
    by which schedulers reclaim a machine, is answered at the next look at the state.
    """

    def __init__(self, folder: Path, seconds: float):
        """Save to `folder`, with at least `seconds` between two checkpoints."""
        self._folder, self._seconds = folder, seconds
        self._open: dict[str, Checkpoints] = {}
        self._closing = ExitStack()
        self._asked = False
        self._saved = time.monotonic()

    def __enter__(self) -> Self:
        self._before = None
        if threading.current_thread() is threading.main_thread():  # other threads get no signals
            self._before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        self._closing.__exit__(kind, error, trace)

    @property
    def watch(self) -> Watch:
        """Return the functions that look at the states of a run."""
        return Watch(lambda phase, to_params: self.look(phase), self.resume, self.done)

    def resume(self, phase: str, start: TrainState) -> TrainState:
        """Return the last good state of a phase that was saved, or its start.

        States that cannot be read are skipped with a warning each. If none can be read, they are
        set aside and the phase starts over: the phases before it are not lost.
        """
        if not (self._folder / phase).is_dir():
            return start
        try:
            return self._of(phase).latest(start) or start
        except ResumeError as error:
            _LOG.warning("%s: the phase %r begins anew", error.reason, phase)
            self._set_aside(phase)
            return start

    def look(self, phase: str) -> Callable[[TrainState], None]:
        """Return a function that saves the states of one phase when it is time.

        It raises `StoppedError` if the run was asked to end.
        """

        def look(state: TrainState) -> None:
            asked = any_of_them(self._asked)
            if not any_of_them(asked or time.monotonic() - self._saved >= self._seconds):
                return
            self._save(phase, state)
            if asked:
                self._of(phase).wait()
                raise StoppedError(f"stopped at step {int(state.step)} of the phase {phase!r}")

        return look

    def done(self, phase: str, end: TrainState) -> None:
        """Save the last state of a phase that had checkpoints, so that it is not trained again."""
        if phase in self._open and self._of(phase).last_step() != int(end.step):
            self._save(phase, end)

    def _set_aside(self, phase: str) -> None:
        """Move the states of a phase aside; they stay until the run has ended."""
        self._open.pop(phase)
        if is_first():
            aside = self._folder / f"{phase}.unusable"
            shutil.rmtree(aside, ignore_errors=True)
            (self._folder / phase).rename(aside)
        wait_for_all(f"checkpoints of {phase} set aside")

    def _save(self, phase: str, state: TrainState) -> None:
        self._of(phase).save(state)
        self._saved = time.monotonic()

    def _of(self, phase: str) -> Checkpoints:
        if phase not in self._open:
            checkpoints = Checkpoints(self._folder / phase)
            self._open[phase] = self._closing.enter_context(checkpoints)
        return self._open[phase]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._asked = True
