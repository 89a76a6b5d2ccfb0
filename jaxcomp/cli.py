"""The command `jaxcomp`: files and checks, no training."""

import argparse
import json
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from jaxcomp import codec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 if a file cannot be used or a statement fails."""
    parser = argparse.ArgumentParser(
        prog="jaxcomp", description="Compressed network weights in .jxc files."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    inspect = commands.add_parser(
        "inspect",
        help="show what a file holds, tensor by tensor",
        description="Check a .jxc file and show what it holds, tensor by tensor.",
    )
    inspect.add_argument("file", help="the .jxc file")
    inspect.set_defaults(run=_inspect)
    verify = commands.add_parser(
        "verify",
        help="check every statement of the theorem at random points",
        description="Check every statement about the compressibility loss in float64 at random "
        "points. The exit status is 1 if one does not hold.",
    )
    verify.add_argument("--n", type=int, default=64, help="length of the vectors [64]")
    verify.add_argument("--starts", type=int, default=10_000, help="number of points [10000]")
    verify.add_argument("--seed", type=int, default=0, help="of the points [0]")
    verify.set_defaults(run=_verify)
    for command in (inspect, verify):
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    return options.run(options)


def _inspect(options: argparse.Namespace) -> int:
    try:
        info = codec.describe(options.file)
    except (codec.FormatError, ImportError, OSError) as error:
        print(
            f"jaxcomp: {options.file}: {getattr(error, 'strerror', None) or error}", file=sys.stderr
        )
        return 1
    if options.json:
        print(json.dumps(_as_dict(info), indent=1))
    else:
        Console().print(_as_table(info, options.file))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from jaxcomp.analysis.verify import verify  # needs jax, which files do not

    try:
        rows = verify(options.n, options.starts, options.seed)
    except ValueError as error:
        print(f"jaxcomp: {error}", file=sys.stderr)
        return 2
    checked = list(track(rows, "checking", console=Console(stderr=True), transient=True))
    if options.json:
        print(json.dumps([{**row._asdict(), "holds": row.holds} for row in checked], indent=1))
    else:
        table = Table(box=box.SIMPLE, padding=0)
        table.add_column("statement", no_wrap=True)
        for heading in ("worst", "tolerance", "points", "verdict"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in checked:
            verdict = "holds" if row.holds else "FAILS"
            numbers = (f"{row.worst:.1e}", f"{row.tolerance:.0e}", f"{row.points:,}")
            table.add_row(escape(row.statement), *numbers, verdict)
        Console().print(table)
    return 0 if all(row.holds for row in checked) else 1


def _as_dict(info: codec.FileInfo) -> dict:
    return {**info._asdict(), "tensors": [tensor._asdict() for tensor in info.tensors]}


def _as_table(info: codec.FileInfo, name: str) -> Table:
    elements = sum(tensor.elements for tensor in info.tensors)
    title = f"{name}, format version {info.version}"
    table = Table(title=title, show_footer=True, box=box.SIMPLE, padding=0)
    table.add_column("tensor", "whole file", no_wrap=True)
    for heading, footer in (
        ("shape", ""),
        ("type", ""),
        ("entries", f"{elements:,}"),
        ("non-zeros", f"{sum(tensor.nonzeros for tensor in info.tensors):,}"),
        ("values", ""),
        ("bytes", f"{info.file_bytes:,}"),
        ("bits per entry", _bits(info.file_bytes, elements)),
    ):
        table.add_column(heading, footer, justify="right")
    for tensor in info.tensors:
        table.add_row(
            tensor.name,
            "x".join(map(str, tensor.shape)) or "scalar",
            tensor.dtype,
            f"{tensor.elements:,}",
            f"{tensor.nonzeros:,}",
            "as is" if tensor.values is None else str(tensor.values),
            f"{tensor.payload_bytes:,}",
            _bits(tensor.payload_bytes, tensor.elements),
        )
    return table


def _bits(size: int, elements: int) -> str:
    return f"{8 * size / elements:.3f}" if elements else "-"
