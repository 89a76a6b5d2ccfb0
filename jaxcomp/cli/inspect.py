"""Implements `jaxcomp inspect FILE`: what a file holds, tensor by tensor."""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.table import Table

from jaxcomp import codec, strict_json
from jaxcomp.cli.errors import fail
from jaxcomp.cli.memory import add_max_memory, limits
from jaxcomp.codec.names import joined
from jaxcomp.screen import PlainConsole

_FEW, _AS_IS = "few values", "as is"  # ways of storing
_BAR, _WIDTH = "#", 10  # character of a bar; characters of the longest bar

Row = tuple[codec.TensorInfo, float | None]  # with the relative error, if asked for


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "inspect",
        allow_abbrev=False,
        help="show what a file holds, tensor by tensor",
        description="Check a .jxc file and show what it holds, tensor by tensor.",
    )
    parser.add_argument("file", help="the .jxc file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--sort", choices=("file", "bytes"), default="file", help="in what order [%(default)s]"
    )
    add_max_memory(parser)
    parser.add_argument(
        "--original",
        metavar="CHECKPOINT",
        help="show the relative error of each tensor against this checkpoint",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Print the table; the exit status is 1 if the file cannot be used."""
    try:
        info = codec.describe(options.file, limits=limits(options))
    except (codec.FormatError, ImportError, OSError) as error:
        return fail(options.file, error)
    errors: Sequence[float | None] = [None] * len(info.tensors)
    if options.original is not None:
        try:
            errors = _errors(options)
        except (ValueError, ImportError, OSError) as error:
            return fail(options.original, error)
    rows = list(zip(info.tensors, errors, strict=True))
    if options.sort == "bytes":
        rows.sort(key=lambda row: -row[0].payload_bytes)
    if options.json:
        print(strict_json.dumps(_as_dict(info, rows), indent=1))
    else:
        console = PlainConsole()
        console.print(_as_table(info, options.file, rows))
        for kind in _kinds(info):
            console.print(kind.sentence)
    return 0


class Kind(NamedTuple):
    """Adds up the tensors of a file that are stored in one way."""

    kind: str
    tensors: int
    elements: int
    payload_bytes: float

    @property
    def sentence(self) -> str:
        """Return a sentence about these tensors, for the user."""
        several = self.tensors != 1
        how = "of few values" if self.kind == _FEW else "as they are" if several else "as it is"
        return (
            f"{self.tensors:,} tensor{'s' * several} {how}: {self.elements:,} entries in "
            f"{self.payload_bytes:,.0f} bytes"
        )


def _kinds(info: codec.FileInfo) -> list[Kind]:
    """Return the totals of each way of storing that occurs."""
    found = []
    for kind in (_FEW, _AS_IS):
        own = [one for one in info.tensors if (one.values is None) == (kind == _AS_IS)]
        if own:
            elements, size = sum(t.elements for t in own), sum(t.payload_bytes for t in own)
            found.append(Kind(kind, len(own), elements, size))
    return found


def _errors(options: argparse.Namespace) -> list[float]:
    """Return `||w - q||_2 / ||w||_2` of each array, in the order of the file."""
    from jaxcomp.checkpoints import CheckpointError, open_checkpoint
    from jaxcomp.quantize.error import relative_error

    with open_checkpoint(options.original) as checkpoint:
        known = dict(joined((entry.names, entry) for entry in checkpoint.entries))
        errors = []
        for name, array in joined(codec.arrays(options.file, limits=limits(options))):
            if name not in known or known[name].shape != array.shape:
                raise CheckpointError(f"it has no array {name!r} of shape {array.shape}")
            errors.append(relative_error(checkpoint.load(known[name]), array))
        return errors


def _as_dict(info: codec.FileInfo, rows: list[Row]) -> dict:
    tensors = [
        tensor._asdict() | ({} if error is None else {"relative_error": error})
        for tensor, error in rows
    ]
    kinds = [kind._asdict() for kind in _kinds(info)]
    return {**info._asdict(), "tensors": tensors, "kinds": kinds}


def _as_table(info: codec.FileInfo, name: str, rows: list[Row]) -> Table:
    elements = sum(tensor.elements for tensor in info.tensors)
    title = f"{name}, format version {info.version}"
    table = Table(title=title, show_footer=True, box=box.SIMPLE, padding=0)
    # Only names are folded if the screen is too narrow.
    table.add_column("tensor", f"{elements:,} entries", overflow="fold")
    for heading, footer in (
        ("shape", ""),
        ("non-zeros", f"{sum(tensor.nonzeros for tensor in info.tensors):,}"),
        ("values", ""),
        ("bytes", f"{info.file_bytes:,}"),
        ("bits", _bits(info.file_bytes, elements)),
    ):
        table.add_column(heading, footer, justify="right", no_wrap=True)
    table.add_column("share", no_wrap=True)
    with_errors = any(error is not None for _, error in rows)
    if with_errors:
        table.add_column("error", "", justify="right", no_wrap=True)
    largest = max((tensor.payload_bytes for tensor in info.tensors), default=1)
    for tensor, error in rows:
        table.add_row(
            tensor.name,
            "x".join(map(str, tensor.shape)) or "scalar",
            f"{tensor.nonzeros:,}",
            _AS_IS if tensor.values is None else str(tensor.values),
            f"{tensor.payload_bytes:,.0f}",
            _bits(tensor.payload_bytes, tensor.elements),
            _BAR * max(1, round(_WIDTH * tensor.payload_bytes / largest)),
            *((f"{error:.2%}",) if with_errors else ()),
        )
    return table


def _bits(size: float, elements: int) -> str:
    return f"{8 * size / elements:.3f}" if elements else "-"
