"""Silences reads of Orbax that end after Orbax has given up.

Orbax reads many arrays at once, and stops at the first that cannot be read. Reads that end later
find the event loop closed, and each would print a traceback beside the one error. Reads that had
not begun cause warnings when they are collected.
"""

import sys
import warnings
from typing import Any


def ignore_late_reads() -> None:
    """Ignore from now on errors and warnings of reads that nobody waits for."""
    if not isinstance(sys.unraisablehook, _Hook):
        sys.unraisablehook = _Hook(sys.unraisablehook)
    warnings.filterwarnings("ignore", r"coroutine 'Store\._\w+' was never awaited", RuntimeWarning)


class _Hook:
    def __init__(self, others: Any):
        self._others = others  # called for everything except late reads

    def __call__(self, unraisable: Any) -> None:
        error = unraisable.exc_value
        if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
            self._others(unraisable)
