"""Says in one line why a file cannot be used."""

import sys

from jaxcomp.printable import printable


def fail(path: str, error: Exception) -> int:
    """Print one line about `path`, and return the exit status 1.

    An error of the system that names another file is reported about that file.
    """
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        path, reason = error.filename or path, error.strerror
    if isinstance(error, MemoryError):  # it may have no text
        reason = f"not enough memory. {error}".strip()
    print(printable(f"jaxcomp: {path}: {reason}"), file=sys.stderr)
    return 1
