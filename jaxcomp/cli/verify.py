"""Implements `jaxcomp verify`: every statement of the theorem, checked at random points."""

import argparse
import sys

from rich import box
from rich.progress import track
from rich.table import Table

from jaxcomp import strict_json
from jaxcomp.printable import printable
from jaxcomp.screen import PlainConsole


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "verify",
        allow_abbrev=False,
        help="check the theorem of the l1/l2 loss at random points",
        description="Check every statement about the compressibility loss in float64 at random "
        "points. The exit status is 1 if one does not hold.",
    )
    parser.add_argument("--n", type=int, default=64, help="length of the vectors [64]")
    parser.add_argument("--starts", type=int, default=10_000, help="number of points [10000]")
    parser.add_argument("--seed", type=int, default=0, help="of the points [0]")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def run(options: argparse.Namespace) -> int:
    """Print the table; the exit status is 1 if a statement does not hold."""
    from jaxcomp.analysis.verify import verify  # this needs jax, which files do not

    try:
        rows = verify(options.n, options.starts, options.seed)
    except ValueError as error:
        print(printable(f"jaxcomp: {error}"), file=sys.stderr)
        return 2
    checked = list(track(rows, "checking", console=PlainConsole(stderr=True), transient=True))
    if options.json:
        shown = [{**row._asdict(), "holds": row.holds} for row in checked]
        print(strict_json.dumps(shown, indent=1))
    else:
        table = Table(box=box.SIMPLE, padding=0)
        table.add_column("statement", no_wrap=True)
        for heading in ("worst", "tolerance", "points", "verdict"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in checked:
            verdict = "holds" if row.holds else "FAILS"
            numbers = (f"{row.worst:.1e}", f"{row.tolerance:.0e}", f"{row.points:,}")
            table.add_row(row.statement, *numbers, verdict)
        PlainConsole().print(table)
    return 0 if all(row.holds for row in checked) else 1
