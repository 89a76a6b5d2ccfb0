"""Handles signals that end a command: it cleans up first, and says so in one line."""

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows does not know the last one


class Stopped(KeyboardInterrupt):
    """Says that a signal has asked the process to end.

    Attributes:
      signal: the signal.
      status: the exit status that shells expect for it.
    """

    def __init__(self, number: int):
        self.signal = signal.Signals(number)
        self.status = 128 + number
        super().__init__(f"stopped by {self.signal.name}")


@contextmanager
def stoppable(program: str) -> Iterator[None]:
    """End the process with one line and `Stopped.status` if a signal would end it anyway."""
    try:
        with raising():
            yield
    except Stopped as stopped:
        print(f"{program}: {stopped}", file=sys.stderr)
        sys.exit(stopped.status)


@contextmanager
def raising() -> Iterator[None]:
    """Raise `Stopped` at signals that would end the process; only the main thread receives them.

    So all open files are closed, and no temporary file stays. Signals that are ignored, as under
    `nohup`, or that have another handler, keep their behavior.
    """
    before, logged = {}, logging.root.manager.disable
    told = threading.current_thread() is threading.main_thread()
    for number in (getattr(signal, name) for name in _SIGNALS if told and hasattr(signal, name)):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            before[number] = signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        logging.disable(logged)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    logging.disable()  # other packages would report the interruption
    raise Stopped(number)
