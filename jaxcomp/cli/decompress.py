"""`jaxcomp decompress FILE.jxc -o CHECKPOINT`: a file as a checkpoint for other programs."""

import argparse

from jaxcomp import codec
from jaxcomp.cli.errors import fail


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "decompress",
        help="turn a .jxc file into a checkpoint",
        description="Turn a .jxc file into a .safetensors or .npz checkpoint.",
    )
    parser.add_argument("file", help="the .jxc file to read")
    parser.add_argument("-o", "--output", required=True, help="the checkpoint to write")
    return parser


def run(options: argparse.Namespace) -> int:
    """Write the checkpoint; the exit status is 1 if a file cannot be used."""
    from jaxcomp.checkpoints import CheckpointError, check_writable, write_checkpoint

    try:
        check_writable(options.output)
        write_checkpoint(options.output, codec.arrays(options.file))
    except codec.FormatError as error:
        return fail(options.file, error)
    except (CheckpointError, ImportError) as error:
        return fail(options.output, error)
    except OSError as error:
        return fail(error.filename or options.output, error)
    return 0
