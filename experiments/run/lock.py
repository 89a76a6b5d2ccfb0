"""One run in a workdir at a time."""

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from jaxcomp.train.processes import any_of_them, is_first

LOCK_FILE = ".lock"
_LOG = logging.getLogger(__name__)


class LockedError(RuntimeError):
    """Another run is at work in the workdir."""


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Keep other processes out of a workdir for the time of this context.

    The kernel holds the lock (`flock`) and drops it with the process, however that ends. So the
    file stays where it is; its text, the last process that had the lock, decides nothing. On NFS
    the server holds the lock, and drops that of a machine that is gone when its lease ends.

    Raises:
      LockedError: if another process has the lock; names its number and machine.
      OSError: if the file of the lock cannot be written.
    """
    with open(workdir / LOCK_FILE, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise LockedError(
                f"{holder} is at work in {workdir}: wait for its end, or give another --workdir"
            ) from error
        except OSError as error:  # a file system without locks
            _LOG.warning(
                "%s cannot be locked (%s): let no other run write there", workdir, error.strerror
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        os.fsync(file.fileno())  # for readers on other machines
        yield


@contextmanager
def locked_by_first(workdir: Path) -> Iterator[None]:
    """`locked`, by the first of several processes that make one run together, for all of them.

    Raises:
      LockedError: in all processes if the first one cannot take the lock; it knows why.
    """
    with ExitStack() as stack:
        refused: Exception | None = None
        if is_first():
            try:
                stack.enter_context(locked(workdir))
            except (LockedError, OSError) as error:
                refused = error
        if any_of_them(refused is not None):
            raise refused or LockedError(f"{workdir} is not free: the first process says why")
        yield
