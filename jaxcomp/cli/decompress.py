"""Implements `jaxcomp decompress FILE.jxc -o CHECKPOINT`: a checkpoint for other programs."""

import argparse
import os

from jaxcomp import codec
from jaxcomp.cli.errors import fail
from jaxcomp.cli.memory import add_max_memory, limits


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "decompress",
        allow_abbrev=False,
        help="turn a .jxc file into a checkpoint",
        description="Turn a .jxc file into a .safetensors or .npz checkpoint or, if it was made of "
        "a folder of shards, into such a folder.",
    )
    parser.add_argument("file", help="the .jxc file to read")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="the checkpoint to write: a .safetensors or .npz file, or a new folder",
    )
    add_max_memory(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    """Write the checkpoint; the exit status is 1 if a file cannot be used."""
    from jaxcomp.checkpoints import (
        CheckpointError,
        check_writable,
        write_checkpoint,
    )

    try:
        if os.path.realpath(options.output) == os.path.realpath(options.file):
            raise CheckpointError("the output is a link to the .jxc file, which would be lost")
        check_writable(options.output)
        metadata = codec.metadata(options.file, limits=limits(options))
        arrays = codec.arrays(options.file, limits=limits(options))
        write_checkpoint(options.output, arrays, metadata)
    except codec.FormatError as error:
        return fail(options.file, error)
    except (CheckpointError, ImportError, OSError) as error:
        return fail(options.output, error)
    return 0
