"""Tables of results from their records, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxcomp.analysis.pareto import pareto_front
from jaxcomp.printable import table_cell

_HEADINGS = (
    "method",
    "test error, %",
    "non-zero weights",
    "weights / non-zeros",
    "bytes",
    "times smaller",
    "source",
)


def results_table(
    records: Mapping[str, Mapping[str, Any]], published: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Our results and published ones, the smallest first.

    Args:
      records: by the name of their source, what `experiments.collect` makes of the runs of a
        configuration: its `config`, `seeds`, `weights`, and `mean`, `min` and `max` of the numbers.
      published: rows with `method`, `test_error` in percent and `source`, and what has been
        published of `ratio_parameters`, `ratio_bytes` and `bytes`.

    Returns:
      A table in Markdown. Our errors are the mean, the smallest and the largest over the seeds. In
      rows that have no ratio of bytes, which come last, nothing was stored.
    """
    rows = [_of_record(name, record) for name, record in records.items()]
    rows += [_of_published(row) for row in published]
    rows.sort(key=lambda row: (-row[0], -row[1]))
    lines = [_HEADINGS, ("---", *["---:"] * (len(_HEADINGS) - 2), "---")]
    lines += [cells for *_, cells in rows]
    return "\n".join(map(_row, lines))


def penalties_table(record: Mapping[str, Any]) -> str:
    """Penalties beside each other, with the error as floats and with error and bytes of each file.

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
    lines = [headings, ["---", "---", *["---:"] * (len(headings) - 2)]]
    points = [(row, kind) for row in record["penalties"] for kind in files if row["networks"]]
    costs = [_cost(row, kind) for row, kind in points]
    best = {(points[i][0]["penalty"], points[i][1]) for i in pareto_front(costs)}
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
    return "\n".join(map(_row, lines))


def file_kinds(record: Mapping[str, Any]) -> list[str]:
    """The kinds of files in a record of `experiments.sweeps.baselines`.

    Raises:
      ValueError: if the record has no networks.
    """
    networks = next((row["networks"] for row in record["penalties"] if row["networks"]), None)
    if networks is None:
        raise ValueError("the record has no networks: all penalties diverged, or none was tried")
    return [kind for kind in networks if kind != "float"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(table_cell, cells))} |"


def _cost(row: Mapping[str, Any], kind: str) -> tuple[float, float]:
    if not row["networks"]:
        return float("inf"), float("inf")
    network = row["networks"][kind]
    return network["bytes"]["mean"], network["test_error"]["mean"]


def _error(network: Mapping[str, Any]) -> str:
    error = network["test_error"]
    return f"{error['mean']:.2f} ({error['low']:.2f} to {error['high']:.2f})"


def _of_record(name: str, record: Mapping[str, Any]) -> tuple[float, float, tuple[str, ...]]:
    mean, low, high = (record[key] for key in ("mean", "min", "max"))
    errors = [100 * (1 - part["test_accuracy_read_back"]) for part in (mean, high, low)]
    sparser = record["weights"] / mean["nonzero_weights"]
    smaller = mean["ratio_jxc"]
    seeds = len(record["seeds"])
    cells = (
        f"**jaxcomp, {record['config']['name']}**",
        f"**{errors[0]:.2f}** ({errors[1]:.2f} to {errors[2]:.2f}, {seeds} seeds)",
        f"{mean['nonzero_weights']:,.0f}",
        f"{sparser:.0f}",
        f"{mean['bytes_jxc']:,.0f}",
        f"**{smaller:.0f}**",
        f"[`{name}`](experiments/results/{name})",
    )
    return smaller, sparser, cells


def _of_published(row: Mapping[str, Any]) -> tuple[float, float, tuple[str, ...]]:
    smaller, sparser = row.get("ratio_bytes", 0), row.get("ratio_parameters", 0)
    cells = (
        row["method"],
        f"{row['test_error']:.2f}",
        "-",
        f"{sparser:.0f}" if sparser else "-",
        f"{row['bytes']:,}" if "bytes" in row else "-",
        f"{smaller:.0f}" if smaller else "-",
        row["source"],
    )
    return smaller, sparser, cells
