"""`jaxcomp table`: results beside published ones, from their records."""

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from jaxcomp import strict_json
from jaxcomp.cli.errors import fail
from jaxcomp.files import replacing
from jaxcomp.printable import printable


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "table",
        help="make a table of results from their records",
        description="Print a table in Markdown: of records that `python -m experiments.collect` "
        "has made, of one model, the smallest first; or of one record of "
        "`python -m experiments.sweeps.baselines`.",
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json")
    parser.add_argument(
        "--published",
        type=Path,
        metavar="FILE.json",
        help="published rows by model, to stand among them",
    )
    parser.add_argument(
        "--figure", type=Path, metavar="FILE.png", help="also draw errors against bytes"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Print the table; the exit status is 1 if a file cannot be used."""
    try:
        records = {path.name: _read(path) for path in options.records}
        if any("penalties" in record for record in records.values()):
            _show_penalties(records, options)
        else:
            _show_results(records, options)
    except OSError as error:
        return fail(str(options.records[0]), error)
    except ValueError as error:
        print(printable(f"jaxcomp: {error}"), file=sys.stderr)
        return 1
    except (KeyError, TypeError, AttributeError) as error:
        line = f"jaxcomp: a file is not a record of results: {error}"
        print(printable(line), file=sys.stderr)
        return 1
    return 0


def _read(path: Path) -> Any:
    return strict_json.read(path, "make the record again")


def _show_penalties(records: dict[str, Any], options: argparse.Namespace) -> None:
    from jaxcomp.analysis.tables import penalties_table

    if len(records) > 1 or options.published:
        raise ValueError("a record of penalties makes a table of its own: give it alone")
    (record,) = records.values()
    print(penalties_table(record))
    if options.figure:
        _draw(_figures().penalties_figure(record), options.figure)


def _show_results(records: dict[str, Any], options: argparse.Namespace) -> None:
    from jaxcomp.analysis.tables import results_table

    models = {record["config"]["model"] for record in records.values()}
    if len(models) > 1:
        raise ValueError(f"the records are of several models, {sorted(models)}: give one's")
    published = []
    if options.published:
        published = _read(options.published).get(models.pop(), [])
    print(results_table(records, published))
    if options.figure:
        _draw(_figures().results_figure(records, published), options.figure)


def _draw(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:] or "png", dpi=120)


def _figures() -> ModuleType:
    try:
        from jaxcomp.analysis.plots import results
    except ImportError as error:
        remedy = 'figures need matplotlib: pip install "jaxcomp[experiments]"'
        raise ValueError(remedy) from error
    return results
