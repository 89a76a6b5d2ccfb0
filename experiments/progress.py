"""How far a run has come, on disk: the same command goes on where it was stopped."""

import json
import logging
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from ml_collections import ConfigDict

from experiments.configuration import leaves
from experiments.processes import any_of_them, is_first, wait_for_all
from jaxcomp import strict_json
from jaxcomp.strict_json import DamagedFileError
from jaxcomp.train import Checkpoints, ResumeError, TrainState

_LOG = logging.getLogger(__name__)
STOPPED = 75  # exit status of a run that can go on: EX_TEMPFAIL of sysexits.h


class StoppedError(Exception):
    """The run was asked to end, and has saved what it needs to go on."""


class Progress:
    """Checkpoints of the phases of a run, in a folder of its workdir (used as a context).

    All that lies between two phases is made again from their ends, which takes little and gives
    the same. So is a phase that was shorter than the time between two checkpoints.
    SIGTERM, by which schedulers take a machine back, is answered at the next look at the state.
    """

    def __init__(self, folder: Path, seconds: float):
        """Save to `folder`, with at least `seconds` between two checkpoints."""
        self._folder, self._seconds = folder, seconds
        self._open: dict[str, Checkpoints] = {}
        self._closing = ExitStack()
        self._asked = False
        self._saved = time.monotonic()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        signal.signal(signal.SIGTERM, self._before)
        self._closing.__exit__(kind, error, trace)

    def resume(self, phase: str, start: TrainState) -> TrainState:
        """Return the last good state of a phase that was saved, or its start.

        States that cannot be read are passed over with a warning each. Where none can be read, they
        are set aside and the phase begins anew: the phases before it are not lost with it.
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
        """A function that saves the states of one phase, if it is time.

        It raises `StoppedError` where the run was asked to end.
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
        """Save the last state of a phase that was saved on the way: it is not made again."""
        if phase in self._open and self._of(phase).last_step() != int(end.step):
            self._save(phase, end)

    def _set_aside(self, phase: str) -> None:
        """Move the states of a phase out of the way; they stay until the run has ended."""
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


def check_same_run(folder: Path, before: Path, config: str) -> None:
    """Refuse to go on with checkpoints of another configuration.

    Args:
      folder: that of the checkpoints.
      before: the file with the configuration that they are of.
      config: the configuration as JSON.

    Raises:
      ValueError: names the keys that differ, or the file if it is damaged.
    """
    if not folder.is_dir() or not before.is_file():
        return
    remedy = (
        f"delete it if the checkpoints in {folder} are of the configuration that you give now, and "
        "these checkpoints if not"
    )
    written = strict_json.read(before, remedy)
    if not isinstance(written, dict):
        raise DamagedFileError(f"{before} is damaged, it is no configuration: {remedy}")
    one, other = (dict(leaves(ConfigDict(values))) for values in (written, json.loads(config)))
    differing = sorted(key for key in one | other if one.get(key) != other.get(key))
    if differing:
        raise ValueError(
            f"{folder} has checkpoints of a run with other values of {', '.join(differing)}: "
            "give the same configuration to go on, another --workdir, or delete the folder"
        )
