"""Reads of Orbax that end after Orbax has given up.

Orbax reads many arrays at once, and ends at the first that cannot be read. Those that end after it
find the event loop closed, and each would be a traceback on the screen beside the one error. Those
that had not begun are warned of when they are collected.
"""

import sys
import warnings
from typing import Any


def ignore_late_reads() -> None:
    """Leave out from now on what the reads that nobody waits for have to say."""
    if not isinstance(sys.unraisablehook, _Hook):
        sys.unraisablehook = _Hook(sys.unraisablehook)
    warnings.filterwarnings("ignore", r"coroutine 'Store\._\w+' was never awaited", RuntimeWarning)


class _Hook:
    def __init__(self, others: Any):
        self._others = others  # all that is not a late read

    def __call__(self, unraisable: Any) -> None:
        error = unraisable.exc_value
        if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
            self._others(unraisable)
