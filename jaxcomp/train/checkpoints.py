"""Keeps states of a training loop on disk, so that a killed run can resume."""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

import jax

from jaxcomp.late_reads import ignore_late_reads
from jaxcomp.train.checksum import checksum
from jaxcomp.train.step import TrainState

_LOG = logging.getLogger(__name__)
_CHECKSUM = "checksum"


class ResumeError(RuntimeError):
    """Says that none of the checkpoints of a run can be used.

    Attributes:
      reason: the message without the remedy.
    """

    def __init__(self, folder: Path, unusable: dict[int, str]):
        """Name the folder of the checkpoints, and what is wrong with each, by its step."""
        self.reason = f"none of the checkpoints in {folder} can be used ({_listed(unusable)})"
        super().__init__(f"{self.reason}: delete the folder to begin anew")


class Checkpoints:
    """Keeps the last states of one loop on disk; use it in a `with` statement.

    Each state lies in a folder named after its step. Orbax writes states while training continues.
    A state is there as a whole or not at all, whenever the process ends. A checksum of its arrays
    is saved with it, and compared when the state is read.

    Example:
      >>> import pathlib, tempfile
      >>> import jax.numpy as jnp, optax
      >>> from jaxcomp.train import Checkpoints, init_state
      >>> state = init_state({"kernel": jnp.ones(3)}, optax.sgd(0.1))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     with Checkpoints(pathlib.Path(folder)) as checkpoints:
      ...         checkpoints.save(state._replace(step=jnp.array(7)))
      ...         checkpoints.wait()
      ...         int(checkpoints.latest(like=state).step)
      7
    """

    def __init__(self, folder: Path, *, kept: int = 2):
        """Keep the last `kept` states in `folder`, which is made at the first save.

        Raises:
          ImportError: if orbax-checkpoint is not installed.
        """
        try:
            import orbax.checkpoint as ocp
        except ImportError as error:
            raise ImportError(
                'checkpoints need orbax-checkpoint: pip install "jaxcomp[experiments]"'
            ) from error
        ignore_late_reads()
        self._orbax, self.folder = ocp, folder.absolute()
        options = ocp.CheckpointManagerOptions(max_to_keep=kept, create=True)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._manager.close()  # waits until everything is written
        except Exception as failure:
            raise self._unwritten(failure) from failure

    def save(self, state: TrainState) -> None:
        """Begin to write a state; its memory may be reused at once.

        Raises:
          OSError: if this state, or the one before it, cannot be written; states that were written
            earlier are still there.
          ValueError: if its step is not later than that of the last state.
        """
        step, last = int(state.step), self.last_step()
        if last is not None and step <= last:
            raise ValueError(f"{self.folder} has a state of step {last}: step {step} is not later")
        try:
            self._manager.save(
                step,
                args=self._orbax.args.StandardSave(state),
                custom_metadata={_CHECKSUM: checksum(state)},
            )
        except Exception as error:  # the types are many, and the save before this one can raise too
            raise self._unwritten(error) from error

    def wait(self) -> None:
        """Wait until everything that was saved is on disk; errors as for `save`."""
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._unwritten(error) from error

    def last_step(self) -> int | None:
        """Return the step of the last state that was saved, or None if none was."""
        return self._manager.latest_step()

    def latest(self, like: TrainState) -> TrainState | None:
        """Return the last state that can be read, or None if none was saved.

        A state that is damaged, or of another training, is skipped with a warning. It is deleted if
        an earlier one can be read: training then resumes there, and reaches the same step again.

        Args:
          like: a state of the same structure, shapes, types and shardings.

        Raises:
          ResumeError: if there are states, but none can be read.
        """
        abstract = jax.tree.map(self._orbax.tree.to_shape_dtype_struct, like)
        restore = self._orbax.args.StandardRestore(abstract)
        unusable: dict[int, str] = {}
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                state = self._manager.restore(step, args=restore)
                self._check(step, state)
            except Exception as error:  # the type depends on the damage
                unusable[step] = _short(error)
                continue
            if unusable:
                _LOG.warning(
                    "checkpoints in %s are passed over (%s): the one of step %d is used",
                    self.folder,
                    _listed(unusable),
                    step,
                )
            for passed_over in unusable:
                self._manager.delete(passed_over)
            return state
        if unusable:
            raise ResumeError(self.folder, unusable)
        return None

    def _check(self, step: int, state: TrainState) -> None:
        """Raise an error unless a state is the one that was saved, which Orbax does not check."""
        saved = (self._manager.metadata(step).custom_metadata or {}).get(_CHECKSUM)
        if saved != (found := checksum(state)):
            raise ValueError(f"its checksum is {found}, and {saved} was saved")

    def _unwritten(self, error: Exception) -> OSError:
        return OSError(f"no checkpoint can be written in {self.folder}: {_short(error)}")


def _short(error: Exception) -> str:
    """Return the first part of a message; the rest of Orbax's messages is its own state."""
    return str(error).partition("\n")[0][:160]


def _listed(unusable: dict[int, str]) -> str:
    return "; ".join(f"step {step}: {reason}" for step, reason in unusable.items())
