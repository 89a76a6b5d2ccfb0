"""The command `jaxcomp`: files and checks, no training."""

import argparse
import logging
from collections.abc import Sequence

from jaxcomp.cli import compress, decompress, inspect, table, verify
from jaxcomp.cli.errors import fail
from jaxcomp.cli.stopping import stoppable

COMMANDS = (compress, decompress, inspect, table, verify)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    It is 0, or 1 if a file cannot be used or a statement fails. A signal, such as that of Ctrl-C,
    ends the process with 128 and its number; nothing half-written is left.
    """
    parser = argparse.ArgumentParser(
        prog="jaxcomp", description="Compressed network weights in .jxc files."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands).set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    for package in ("absl", "asyncio"):  # what is wrong is an error, and one line
        logging.getLogger(package).setLevel(logging.CRITICAL)
    try:
        with stoppable("jaxcomp"):
            return options.run(options)
    except MemoryError as error:
        names = (getattr(options, name, None) for name in ("file", "checkpoint", "command"))
        return fail(next(filter(None, names)), error)
