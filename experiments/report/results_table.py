"""The table of our results beside published ones, from their records."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.report import markdown

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
    """Return our results and published ones, the smallest first.

    Args:
      records: by the name of their source, what `experiments.report.collect` makes of the runs of a
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
    texts = (0, len(_HEADINGS) - 1)
    return markdown.table(_HEADINGS, (cells for *_, cells in rows), text_columns=texts)


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
