"""Implements `jaxcomp compress CHECKPOINT -o FILE.jxc`: any checkpoint as a small file."""

import argparse
import os
import re
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.progress import Progress

from jaxcomp import strict_json
from jaxcomp.cli.errors import fail
from jaxcomp.files import check_replaceable, replacing
from jaxcomp.quantizers import AT_ONCE, QUANTIZERS
from jaxcomp.screen import PlainConsole

_UNITS = {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_LARGE = 50_000_000  # checkpoints from this size on, in bytes, show a bar
_PER_UNIT = tuple(name for name, one in AT_ONCE.items() if one.per_unit)
_WITH_MOMENTS = ("ternary", "codebook")


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "compress",
        allow_abbrev=False,
        help="store a checkpoint in a .jxc file",
        description="Store a .safetensors (or the folder of its shards), .npz, .onnx, Keras .h5, "
        "PyTorch .pt or flax .msgpack file or an Orbax folder in a .jxc file. Without options "
        "nothing is rounded: weights that are few-valued get small, exactly. Of the state of a "
        "training only the network is stored: what is under `params`, or, where there is no such "
        "name, not under `opt_state`, `optimizer`, `batch_stats`, `step` or `ema`.",
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
    parser.add_argument(
        "--floor",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="with --prune: keep at least this share of each tensor, and one weight of it",
    )
    few = parser.add_mutually_exclusive_group()
    for name in AT_ONCE:
        quantizer = QUANTIZERS[name]
        takes = {"action": "store_true"} if quantizer.number is None else {"type": quantizer.number}
        few.add_argument(f"--{name}", help=f"round weights to {quantizer.to}", **takes)
    parser.add_argument(
        "--per-unit",
        action="store_true",
        help=f"with {_any_of(_PER_UNIT)}: a step for each output unit (channel of a convolution)",
    )
    parser.add_argument(
        "--unit-axis",
        type=int,
        metavar="N",
        help="with --per-unit: the axis of all weights that the units are on, such as 0 or -1; "
        "without it the first if the metadata says PyTorch or the array is called `weight`, else "
        "the last, as Flax has it; a transposed convolution of PyTorch has them on axis 1",
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
    parser.add_argument(
        "--moments",
        metavar="FILE.npz",
        help="round weights by what they do: moments of their inputs, as `jaxcomp.save_moments` or "
        "another framework writes them, with one of --max-kl, --size and --lambda (the loss that a "
        "bit is worth), and --ternary or --codebook if values have to be few",
    )
    parser.add_argument(
        "--max-kl",
        type=float,
        metavar="NATS",
        help="with --moments: the smallest file of which the moments predict at most this "
        "Kullback-Leibler divergence of predictions",
    )
    parser.add_argument(
        "--size",
        type=_bytes,
        metavar="BYTES",
        help="with --moments: the best file of at most this size, such as 300kB or 2MB",
    )
    parser.add_argument(
        "--bias-bits",
        type=int,
        metavar="BITS",
        help="round biases and the like; variances, scales of quantized weights and positive "
        "numbers that would become zero stay exact",
    )
    parser.add_argument(
        "--only",
        metavar="REGEX",
        help="take for the network the arrays whose names (parts joined by /) have a match, and no "
        "others",
    )
    parser.add_argument(
        "--exclude", metavar="REGEX", help="do not take for the network those that have a match"
    )
    parser.add_argument(
        "--keep-state",
        action="store_true",
        help="store exactly what is not taken for the network, rather than leave it out; a Linen "
        "network with batch normalization needs it, for the running statistics in `batch_stats`",
    )
    parser.add_argument("--report", metavar="FILE.json", help="write what was done to each tensor")
    return parser


def run(options: argparse.Namespace) -> int:
    """Write the file; the exit status is 1 if a file cannot be used."""
    # The libraries of other formats are not needed to inspect a file.
    from jaxcomp.checkpoints import CheckpointError, open_checkpoint
    from jaxcomp.cli.summary import summarize
    from jaxcomp.compression import Moments, compress

    try:
        _check(options)
        chosen = _quantizer(options)
        biases = None if options.bias_bits is None else ("bits", options.bias_bits)
        moments = Moments(options.moments) if options.moments else None
    except (ValueError, OSError) as error:
        return fail(options.output, error)
    try:
        with ExitStack() as stack:
            checkpoint = stack.enter_context(open_checkpoint(options.checkpoint))
            bar = stack.enter_context(_bar(moments is not None or checkpoint.nbytes >= _LARGE))
            task = bar.add_task("compress", total=None if moments else checkpoint.nbytes)
            done = compress(
                checkpoint,
                options.output,
                only=options.only,
                exclude=options.exclude,
                keep_state=options.keep_state,
                sparsity=options.prune,
                floor=options.floor,
                quantizer=None if moments else _rounding(chosen),
                values=_values(options) if moments else None,
                per_unit=options.per_unit,
                units_on=options.unit_axis,
                trade=options.trade,
                bias_quantizer=_rounding(biases),
                calibration=moments,
                max_kl=options.max_kl,
                size=options.size,
                progress=lambda size: bar.advance(task, size),
                on_trial=lambda trade, lost: bar.update(
                    task, description=f"a bit at {trade:.2g}: loss {lost:.3g}"
                ),
            )
    except (CheckpointError, ImportError) as error:
        return fail(options.checkpoint, error)
    except (OSError, ValueError, TypeError) as error:
        return fail(options.checkpoint, error)
    if options.report:
        report = {
            "bytes": done.file_bytes,
            "relative_error": done.relative_error,
            "left_out": [entry.name for entry in done.left_out],
            "remarks": done.remarks,
            "unit_axes": done.unit_axes,
            "calibrated": done.calibrated and done.calibrated._asdict(),
            "tensors": [tensor._asdict() for tensor in done.tensors],
        }
        try:
            with replacing(Path(options.report)) as temporary:
                temporary.write_text(strict_json.dumps(report, indent=1))
        except OSError as error:
            return fail(options.report, error)
    before = checkpoint.nbytes - sum(entry.nbytes for entry in done.left_out)
    summarize(before, done)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is read."""
    from jaxcomp.quantize.uniform import check_bits

    if Path(options.output).suffix != ".jxc":
        raise ValueError("the output must be a .jxc file")
    given = (options.checkpoint, options.output, options.report)
    # Links are followed, as they are when the files are written.
    checkpoint, output, report = (path and os.path.realpath(path) for path in given)
    if output == checkpoint:
        raise ValueError("the output is a link to the checkpoint, which would be lost")
    moments = options.moments and os.path.realpath(options.moments)
    if report and report in (checkpoint, output, moments):
        raise ValueError("--report needs a file of its own")
    for path in filter(None, (options.output, options.report)):
        check_replaceable(path)
    if not 0 <= options.prune < 1:
        raise ValueError(f"--prune is the share of weights to drop, in [0, 1), got {options.prune}")
    if options.floor and not options.prune:
        raise ValueError("--floor needs --prune")
    if not 0 <= options.floor <= 1 - options.prune + 1e-9:
        raise ValueError(
            f"--floor is the share of each tensor to keep, from 0 to {1 - options.prune:g}, which "
            f"--prune leaves, got {options.floor}"
        )
    for name in ("only", "exclude"):
        try:
            re.compile(getattr(options, name) or "")
        except re.error as error:
            raise ValueError(f"--{name} is not a regular expression: {error}") from error
    rounds = _quantizer(options)
    if rounds and rounds[1] is not None:
        QUANTIZERS[rounds[0]].check(f"--{rounds[0]}", rounds[1])
    if options.bias_bits is not None:
        check_bits("--bias-bits", options.bias_bits)
    if not 0 <= options.trade < float("inf"):
        raise ValueError(f"--lambda must be at least 0 and finite, got {options.trade}")
    goals = [options.max_kl is not None, options.size is not None, bool(options.trade)]
    if options.moments:
        given = [f"--{rounds[0]}"] if rounds and rounds[0] not in _WITH_MOMENTS else []
        given += ["--prune"] * bool(options.prune) + ["--per-unit"] * options.per_unit
        if given:
            raise ValueError(
                f"--moments chooses zeros and steps by itself: leave out {' and '.join(given)}"
            )
        if options.codebook == 2:
            raise ValueError("--codebook must be at least 3 with --moments, got 2")
        if sum(goals) != 1:
            raise ValueError("--moments needs one of --max-kl, --size and --lambda")
    elif any(goals[:2]):
        raise ValueError("--max-kl and --size need --moments")
    elif options.trade and not rounds:
        raise ValueError(f"--lambda needs one of {_any_of(AT_ONCE)}")
    if options.per_unit and not (rounds and rounds[0] in _PER_UNIT):
        raise ValueError(f"--per-unit needs {_any_of(_PER_UNIT)}")
    if options.unit_axis is not None and not (options.per_unit or options.moments):
        raise ValueError("--unit-axis needs --per-unit or --moments")


def _bytes(text: str) -> int:
    """Return a number of bytes from a number with a unit."""
    parts = re.fullmatch(r"(\d+(?:\.\d*)?) ?(B|kB|MB|GB|)", text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: give one such as 300kB or 2MB")
    return int(float(parts[1]) * _UNITS[parts[2]])


def _quantizer(options: argparse.Namespace) -> tuple[str, float | None] | None:
    """Return the name of the quantizer that was chosen, and its number."""
    for name in AT_ONCE:
        value = getattr(options, name)
        if value is not None and value is not False:
            return name, None if value is True else value
    return None


def _rounding(chosen: tuple[str, float | None] | None) -> Callable[..., Any] | None:
    """Return the function that rounds an array, or None if arrays are stored exactly."""
    return chosen and QUANTIZERS[chosen[0]].rounding(chosen[1])


def _values(options: argparse.Namespace) -> int | None:
    """Return how many values a weight array may have."""
    return 3 if options.ternary else options.codebook


def _any_of(names: Iterable[str]) -> str:
    """Return options as text, joined by "or"."""
    return " or ".join(f"--{name}" for name in names)


def _bar(takes_time: bool) -> Progress:
    console = PlainConsole(stderr=True)
    shown = takes_time and console.is_terminal
    return Progress(console=console, disable=not shown, transient=True)
