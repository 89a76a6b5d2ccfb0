"""The command `jaxcomp`: files and checks, no training."""

import argparse
import json
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from jaxcomp import codec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 with a message if a file cannot be used."""
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
    inspect.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
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
