"""`jaxcomp table`: results beside published ones, from their records."""

import argparse
import json
import sys
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "table",
        help="make a table of results from their records",
        description="Print a table in Markdown of records that `python -m experiments.collect` has "
        "made, of one model, the smallest first.",
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json")
    parser.add_argument(
        "--published",
        type=Path,
        metavar="FILE.json",
        help="published rows by model, to stand among them",
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Print the table; the exit status is 1 if a file cannot be used."""
    from jaxcomp.analysis.tables import results_table

    try:
        records = {path.name: json.loads(path.read_text()) for path in options.records}
        models = {record["config"]["model"] for record in records.values()}
        if len(models) > 1:
            raise ValueError(f"the records are of several models, {sorted(models)}: give one's")
        published = []
        if options.published:
            rows = json.loads(options.published.read_text())
            published = rows.get(models.pop(), [])
        print(results_table(records, published))
    except (OSError, ValueError) as error:
        print(f"jaxcomp: {error}", file=sys.stderr)
        return 1
    except (KeyError, TypeError, AttributeError) as error:
        print(f"jaxcomp: a file is not a record of results: {error}", file=sys.stderr)
        return 1
    return 0
