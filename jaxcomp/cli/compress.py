"""`jaxcomp compress CHECKPOINT -o FILE.jxc`: anyone's checkpoint as a small file."""

import argparse
import errno
import json
import os
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from jaxcomp.cli.errors import fail
from jaxcomp.files import replacing

_LARGE = 50_000_000  # bytes from which on there is time to watch a bar


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "compress",
        help="store a checkpoint in a .jxc file",
        description="Store a .safetensors, .npz or flax .msgpack file or an Orbax folder in a .jxc "
        "file. Without options nothing is rounded: weights that are few-valued get small, exactly.",
    )
    parser.add_argument("checkpoint", help="the checkpoint to read")
    parser.add_argument("-o", "--output", required=True, help="the .jxc file to write")
    parser.add_argument(
        "--prune",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="set this share of all weights to zero, the smallest ones",
    )
    few = parser.add_mutually_exclusive_group()
    few.add_argument("--ternary", action="store_true", help="round weights to -c, 0 and c")
    few.add_argument("--levels", type=int, help="round weights to the best codebook of this size")
    few.add_argument("--bits", type=int, help="round weights to the steps of this many bits")
    few.add_argument("--step", type=float, help="round weights to multiples of this step")
    parser.add_argument(
        "--per-channel",
        action="store_true",
        help="with --ternary or --bits: a step for each output channel, which is the first axis in "
        ".safetensors and .npz files, as PyTorch has it, and the last in others",
    )
    parser.add_argument(
        "--lambda",
        dest="trade",
        type=float,
        default=0.0,
        metavar="L",
        help="let weights go to a level nearer to zero where the squared error, in squared steps, "
        "grows by less than L for each bit saved",
    )
    parser.add_argument("--bias-bits", type=int, metavar="BITS", help="round biases and the like")
    parser.add_argument("--report", metavar="FILE.json", help="write what was done to each tensor")
    return parser


def run(options: argparse.Namespace) -> int:
    """Write the file; the exit status is 1 if a file cannot be used."""
    # The libraries of other formats are not needed to look into a file.
    from jaxcomp.checkpoints import CheckpointError, open_checkpoint
    from jaxcomp.compress import compress

    try:
        _check(options)
        quantizers = _quantizers(options)
    except (ValueError, OSError) as error:
        return fail(options.output, error)
    try:
        with open_checkpoint(options.checkpoint) as checkpoint, _bar(checkpoint.nbytes) as bar:
            task = bar.add_task("compress", total=checkpoint.nbytes)
            done = compress(
                checkpoint,
                options.output,
                sparsity=options.prune,
                quantizer=quantizers[0],
                trade=options.trade,
                bias_quantizer=quantizers[1],
                progress=lambda size: bar.advance(task, size),
            )
    except (CheckpointError, ImportError) as error:
        return fail(options.checkpoint, error)
    except OSError as error:
        return fail(error.filename or options.checkpoint, error)
    except (ValueError, TypeError) as error:
        return fail(options.checkpoint, error)
    if options.report:
        report = {"bytes": done.file_bytes, "tensors": [t._asdict() for t in done.tensors]}
        try:
            with replacing(Path(options.report)) as temporary:
                temporary.write_text(json.dumps(report, indent=1))
        except OSError as error:
            return fail(options.report, error)
    before, after = checkpoint.nbytes, done.file_bytes
    Console().print(f"{before:,} bytes to {after:,} bytes, {before / after:.1f} times smaller")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is read."""
    from jaxcomp.quantize.codebook import MAX_LEVELS
    from jaxcomp.quantize.uniform import MAX_BITS

    if Path(options.output).suffix != ".jxc":
        raise ValueError("the output must be a .jxc file")
    if options.report and Path(options.report).resolve() in (
        Path(options.output).resolve(),
        Path(options.checkpoint).resolve(),
    ):
        raise ValueError("--report needs a file of its own")
    for path in filter(None, (options.output, options.report)):
        if Path(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not Path(path).parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if not 0 <= options.prune < 1:
        raise ValueError(f"--prune is the share of weights to drop, in [0, 1), got {options.prune}")
    for name, value, largest in (
        ("--bits", options.bits, MAX_BITS),
        ("--bias-bits", options.bias_bits, MAX_BITS),
        ("--levels", options.levels, MAX_LEVELS),
    ):
        if value is not None and not 2 <= value <= largest:
            raise ValueError(f"{name} must be from 2 to {largest}, got {value}")
    if options.step is not None and not 0 < options.step < float("inf"):
        raise ValueError(f"--step must be positive and finite, got {options.step}")
    if not 0 <= options.trade < float("inf"):
        raise ValueError(f"--lambda must be at least 0 and finite, got {options.trade}")
    rounds = options.ternary or options.levels or options.bits or options.step
    if options.trade and not rounds:
        raise ValueError("--lambda needs one of --ternary, --levels, --bits and --step")
    if options.per_channel and not (options.ternary or options.bits):
        raise ValueError("--per-channel needs --ternary or --bits")


def _quantizers(options: argparse.Namespace) -> tuple:
    """Of weights and of biases; None for what is stored exactly."""
    from jaxcomp.checkpoints import channel_axis
    from jaxcomp.quantize import scalar

    axis = channel_axis(options.checkpoint) if options.per_channel else None
    weights = biases = None
    if options.ternary:
        weights = partial(scalar.ternary_levels, axis=axis)
    elif options.levels is not None:
        weights = partial(scalar.codebook_levels, levels=options.levels)
    elif options.bits is not None:
        weights = partial(scalar.bits_levels, bits=options.bits, axis=axis)
    elif options.step is not None:
        weights = partial(scalar.step_levels, step=options.step)
    if options.bias_bits is not None:
        biases = partial(scalar.bits_levels, bits=options.bias_bits)
    return weights, biases


def _bar(size: int) -> Progress:
    console = Console(stderr=True)
    shown = size >= _LARGE and console.is_terminal
    return Progress(console=console, disable=not shown, transient=True)
