"""The table of penalties beside each other, from the record of their comparison."""

from collections.abc import Mapping
from typing import Any

from experiments.report import markdown
from experiments.report.pareto import pareto_front


def penalties_table(record: Mapping[str, Any]) -> str:
    """Return penalties beside each other: the error as floats, error and bytes of each file.

    Args:
      record: of `experiments.sweeps.baselines`.

    Returns:
      A table in Markdown, the lowest error of the first kind of file first. Errors are means of the
      test error in percent with their 95 % intervals; files that no other is both smaller and more
      accurate than are in bold.
    """
    files = file_kinds(record)
    headings = ["penalty", "weight, rate", "float, %"]
    headings += [heading for kind in files for heading in (f"{kind}, %", "bytes")]
    lines = []
    best = best_files(record)
    rows = sorted(record["penalties"], key=lambda row: _cost(row, files[0])[1])
    for row in rows:
        cells = [row["penalty"], f"{row['weight']:g}, {row['learning_rate']:g}"]
        if not row["networks"]:
            lines.append([*cells, *["diverged"] * (len(headings) - 2)])
            continue
        cells.append(_error(row["networks"]["float"]))
        for kind in files:
            error, size = _error(row["networks"][kind]), f"{_cost(row, kind)[0]:,.0f}"
            bold = (row["penalty"], kind) in best
            cells += [f"**{cell}**" if bold else cell for cell in (error, size)]
        lines.append(cells)
    return markdown.table(headings, lines, text_columns=(0, 1))


def file_kinds(record: Mapping[str, Any]) -> list[str]:
    """Return the kinds of files in a record of `experiments.sweeps.baselines`.

    Raises:
      ValueError: if the record has no networks.
    """
    networks = next((row["networks"] for row in record["penalties"] if row["networks"]), None)
    if networks is None:
        raise ValueError("the record has no networks: all penalties diverged, or none was tried")
    return [kind for kind in networks if kind != "float"]


def best_files(record: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the penalty and the kind of each file that no other one beats.

    A file is beaten by one, of any kind, that is smaller and no less accurate, or more accurate and
    no larger.
    """
    kinds = file_kinds(record)
    points = [(row, kind) for row in record["penalties"] for kind in kinds if row["networks"]]
    front = pareto_front([_cost(row, kind) for row, kind in points])
    return {(points[i][0]["penalty"], points[i][1]) for i in front}


def _cost(row: Mapping[str, Any], kind: str) -> tuple[float, float]:
    if not row["networks"]:
        return float("inf"), float("inf")
    network = row["networks"][kind]
    return network["bytes"]["mean"], network["test_error"]["mean"]


def _error(network: Mapping[str, Any]) -> str:
    error = network["test_error"]
    return f"{error['mean']:.2f} ({error['low']:.2f} to {error['high']:.2f})"
