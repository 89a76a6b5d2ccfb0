"""Finds the subcommand of `jaxcomp` that is asked for, and runs it."""

import argparse
import logging
from collections.abc import Sequence

from jaxcomp.cli import compress, decompress, inspect, verify
from jaxcomp.cli.errors import fail

COMMANDS = (compress, decompress, inspect, verify)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command that the arguments name, and return its exit status."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="jaxcomp",
        description="Compressed network weights in .jxc files.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands).set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    for package in ("absl", "asyncio"):  # they would report damage in more than one line
        logging.getLogger(package).setLevel(logging.CRITICAL)
    try:
        return options.run(options)
    except MemoryError as error:
        names = (getattr(options, name, None) for name in ("file", "checkpoint", "command"))
        return fail(next(filter(None, names)), error)
