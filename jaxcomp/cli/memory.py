"""Adds the option that limits the memory for reading a file."""

import argparse
import math

from jaxcomp.codec import Limits

_MEGABYTE = 1_000_000


def add_max_memory(parser: argparse.ArgumentParser) -> None:
    """Add the option `--max-memory`."""
    parser.add_argument(
        "--max-memory",
        type=_megabytes,
        metavar="MB",
        help="refuse a file that takes more memory than this (default: 268, or for files of more "
        "than 64 KiB 4,096 bytes for each byte)",
    )


def limits(options: argparse.Namespace) -> Limits:
    """Return the limits that the options set."""
    return Limits(memory=options.max_memory)


def _megabytes(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be positive and finite, got {text}")
    return number * _MEGABYTE
