"""Signals that end a command: it cleans up first, and says so in one line."""

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
    """A signal has asked the process to end.

    Attributes:
      signal: which one.
      status: the exit status by which shells tell it.
    """

    def __init__(self, number: int):
        self.signal = signal.Signals(number)
        self.status = 128 + number
        super().__init__(f"stopped by {self.signal.name}")


@contextmanager
def stoppable(program: str) -> Iterator[None]:
    """End the process with one line and `Stopped.status` where a signal would end it anyhow."""
    try:
        with raising():
            yield
    except Stopped as stopped:
        print(f"{program}: {stopped}", file=sys.stderr)
        sys.exit(stopped.status)


@contextmanager
def raising() -> Iterator[None]:
    """Raise `Stopped` at signals that would end the process. Only the main thread is told of them.

    So all that is open is closed, and no temporary file stays. Signals that are ignored, as by
    `nohup`, or that something else has a handler for, are left alone.
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
    logging.disable()  # what other packages report of being interrupted
    raise Stopped(number)
