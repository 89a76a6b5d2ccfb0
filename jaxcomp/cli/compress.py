"""`jaxcomp compress CHECKPOINT -o FILE.jxc`: anyone's checkpoint as a small file."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from jaxcomp import codec
from jaxcomp.cli.errors import fail


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "compress",
        help="store a checkpoint in a .jxc file",
        description="Store a .safetensors, .npz or flax .msgpack checkpoint in a .jxc file. "
        "Without options nothing is rounded: weights that are few-valued get small, exactly.",
    )
    parser.add_argument("checkpoint", help="the checkpoint to read")
    parser.add_argument("-o", "--output", required=True, help="the .jxc file to write")
    parser.add_argument(
        "--prune",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="set this share of weights to zero",
    )
    few = parser.add_mutually_exclusive_group()
    few.add_argument("--ternary", action="store_true", help="round weights to -c, 0 and c")
    few.add_argument("--levels", type=int, help="round weights to the best codebook of this size")
    few.add_argument("--bits", type=int, help="round weights to the steps of this many bits")
    few.add_argument("--step", type=float, help="round weights to multiples of this step")
    parser.add_argument("--report", metavar="FILE.json", help="write what was done to each tensor")
    return parser


def run(options: argparse.Namespace) -> int:
    """Write the file; the exit status is 1 if a file cannot be used."""
    # The library of other formats and jax are not needed to look into a file.
    from jaxcomp.checkpoints import read_checkpoint
    from jaxcomp.compress import compress

    try:
        params = read_checkpoint(options.checkpoint)
    except (ValueError, ImportError, OSError) as error:
        return fail(options.checkpoint, error)
    try:
        changes = []
        quantizer = _quantizer(options)
        if options.prune or quantizer:
            params, changes = compress(params, sparsity=options.prune, quantizer=quantizer)
        size = codec.save(options.output, params)
        if options.report:
            report = {"bytes": size, "tensors": [change._asdict() for change in changes]}
            Path(options.report).write_text(json.dumps(report, indent=1))
    except (ValueError, TypeError, ImportError, OSError) as error:
        return fail(options.output, error)
    before = Path(options.checkpoint).stat().st_size
    Console().print(f"{before:,} bytes to {size:,} bytes, {before / size:.1f} times smaller")
    return 0


def _quantizer(options: argparse.Namespace) -> Callable[[Any], Any] | None:
    import jax.numpy as jnp

    from jaxcomp import quantize

    if options.ternary:
        return lambda w: quantize.dequantize(quantize.ternarize(jnp.asarray(w), mask=True))
    if options.levels is not None:
        return lambda w: quantize.codebook(w, options.levels)
    if options.bits is not None:
        return lambda w: quantize.uniform(w, quantize.step_of_bits(w, options.bits))
    if options.step is not None:
        return lambda w: quantize.uniform(w, options.step)
    return None
