"""What a user can act on is one line, not a traceback."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jaxcomp.cli.stopping import stoppable
from jaxcomp.printable import printable
from jaxcomp.strict_json import DamagedFileError


@contextmanager
def in_one_line(*more: type[Exception]) -> Iterator[None]:
    """End the process with one line on a mistake, or a signal (a context, or a decorator).

    The status is 1, or that of the signal.

    Args:
      more: types of exceptions whose messages tell the user what to do, beside those of files and
        of packages that are not installed.
    """
    try:
        with stoppable("error"):
            yield
    except (OSError, ImportError, DamagedFileError, *more) as error:
        sys.exit(printable(f"error: {error}"))


def show_warnings() -> None:
    """Print each warning of this project as one line on stderr.

    Commands silence the logs of other packages, which report what no user can act on.
    """
    for name in ("jaxcomp", "experiments"):
        logger = logging.getLogger(name)
        logger.addHandler(_Lines())
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    # Where one array of a checkpoint cannot be read, Orbax leaves the errors of others to asyncio.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(printable(f"warning: {record.getMessage()}"), file=sys.stderr)
