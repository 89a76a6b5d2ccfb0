"""Print a table of results from their records.

python -m experiments.report.table RECORD.json ... [--published FILE.json] [--figure FILE.png]

Of records that `experiments.report.collect` has made, of one model, the smallest first; or of one
record of `experiments.sweeps.baselines`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from experiments.mistakes import in_one_line
from experiments.report.penalties_table import penalties_table
from experiments.report.plots.files import save
from experiments.report.plots.results import penalties_figure, results_figure
from experiments.report.results_table import results_table
from jaxcomp import strict_json
from jaxcomp.printable import printable


@in_one_line()
def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
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
    options = parser.parse_args()
    try:
        records = {path.name: _read(path) for path in options.records}
        if any("penalties" in record for record in records.values()):
            _show_penalties(records, options)
        else:
            _show_results(records, options)
    except ValueError as error:
        sys.exit(printable(f"error: {error}"))
    except (KeyError, TypeError, AttributeError) as error:
        sys.exit(printable(f"error: a file is not a record of results: {error}"))


def _read(path: Path) -> Any:
    return strict_json.read(path, "make the record again")


def _show_penalties(records: dict[str, Any], options: argparse.Namespace) -> None:
    if len(records) > 1 or options.published:
        raise ValueError("a record of penalties makes a table of its own: give it alone")
    (record,) = records.values()
    print(penalties_table(record))
    if options.figure:
        save(penalties_figure(record), options.figure)


def _show_results(records: dict[str, Any], options: argparse.Namespace) -> None:
    models = {record["config"]["model"] for record in records.values()}
    if len(models) > 1:
        raise ValueError(f"the records are of several models, {sorted(models)}: give one's")
    published = []
    if options.published:
        published = _read(options.published).get(models.pop(), [])
    print(results_table(records, published))
    if options.figure:
        save(results_figure(records, published), options.figure)


if __name__ == "__main__":
    main()
