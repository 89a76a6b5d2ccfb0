"""The command `jaxcomp`: files and checks, no training."""

import argparse
from collections.abc import Sequence

from jaxcomp.cli import compress, decompress, inspect, table, verify

COMMANDS = (compress, decompress, inspect, table, verify)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 if a file cannot be used or a statement fails."""
    parser = argparse.ArgumentParser(
        prog="jaxcomp", description="Compressed network weights in .jxc files."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands).set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    return options.run(options)
