"""`jaxcomp inspect FILE`: what a file holds, tensor by tensor."""

import argparse

from rich import box
from rich.table import Table

from jaxcomp import codec, strict_json
from jaxcomp.cli.errors import fail
from jaxcomp.cli.memory import add_max_memory, limits
from jaxcomp.codec.names import joined
from jaxcomp.screen import PlainConsole


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "inspect",
        help="show what a file holds, tensor by tensor",
        description="Check a .jxc file and show what it holds, tensor by tensor.",
    )
    parser.add_argument("file", help="the .jxc file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
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
    errors = None
    if options.original is not None:
        try:
            errors = _errors(options)
        except (ValueError, ImportError, OSError) as error:
            return fail(options.original, error)
    if options.json:
        print(strict_json.dumps(_as_dict(info, errors), indent=1))
    else:
        PlainConsole().print(_as_table(info, options.file, errors))
    return 0


def _errors(options: argparse.Namespace) -> list[float]:
    """`||w - q||_2 / ||w||_2` of each array, in the order of the file."""
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


def _as_dict(info: codec.FileInfo, errors: list[float] | None) -> dict:
    tensors = [tensor._asdict() for tensor in info.tensors]
    for tensor, error in zip(tensors, errors or (), strict=False):
        tensor["relative_error"] = error
    return {**info._asdict(), "tensors": tensors}


def _as_table(info: codec.FileInfo, name: str, errors: list[float] | None) -> Table:
    elements = sum(tensor.elements for tensor in info.tensors)
    title = f"{name}, format version {info.version}"
    table = Table(title=title, show_footer=True, box=box.SIMPLE, padding=0)
    table.add_column("tensor", f"{elements:,} entries", no_wrap=True)
    for heading, footer in (
        ("shape", ""),
        ("non-zeros", f"{sum(tensor.nonzeros for tensor in info.tensors):,}"),
        ("values", ""),
        ("bytes", f"{info.file_bytes:,}"),
        ("bits", _bits(info.file_bytes, elements)),
    ):
        table.add_column(heading, footer, justify="right")
    if errors is not None:
        table.add_column("error", "", justify="right")
    for i, tensor in enumerate(info.tensors):
        table.add_row(
            tensor.name,
            "x".join(map(str, tensor.shape)) or "scalar",
            f"{tensor.nonzeros:,}",
            "as is" if tensor.values is None else str(tensor.values),
            f"{tensor.payload_bytes:,.0f}",
            _bits(tensor.payload_bytes, tensor.elements),
            *(() if errors is None else (f"{errors[i]:.2%}",)),
        )
    return table


def _bits(size: float, elements: int) -> str:
    return f"{8 * size / elements:.3f}" if elements else "-"
