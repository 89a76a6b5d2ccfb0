"""Results of many methods in a picture: error against bytes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.report.penalties_table import file_kinds
from experiments.report.plots.intervals import whiskers
from experiments.report.plots.pareto import pareto_figure
from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION

WORST = 1.4  # times the smallest error: what is further off is in the table, and not drawn
_COLUMNS = 2  # of panels


def penalties_figure(record: Mapping[str, Any]) -> Figure:
    """Draw one panel for each kind of file: mean test error against bytes, a number per penalty.

    Args:
      record: of `experiments.sweeps.baselines`. Penalties are numbered by the error of the first
        kind of file, as the rows of `penalties_table`. Ratios are blue, l2 is green, l1 vermillion,
        Hoyer-square orange and the rest black.
    """
    kinds = file_kinds(record)
    lines = math.ceil((len(kinds) + 1) / _COLUMNS)  # the names take a panel
    figure = Figure(figsize=(9, 3.6 * lines), layout="constrained")
    panels = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    rows = [row for row in record["penalties"] if row["networks"]]
    rows.sort(key=lambda row: row["networks"][kinds[0]]["test_error"]["mean"])
    for axes, kind in zip(panels, kinds, strict=False):
        _numbers(axes, rows, kind)
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    _names(panels[len(kinds)], rows)
    return figure


def results_figure(
    records: Mapping[str, Mapping[str, Any]], published: Sequence[Mapping[str, Any]] = ()
) -> Figure:
    """Mean test error against the size of the file, beside published rows.

    Args:
      records: as in `experiments.report.results_table`.
      published: the same; rows that tell no ratio of bytes are not drawn.
    """
    results = {}
    for record in records.values():
        mean = record["mean"]
        error = 100 * (1 - mean["test_accuracy_read_back"])
        results[f"jaxcomp, {record['config']['name']}"] = [(100 / mean["ratio_jxc"], error)]
    for row in published:
        if row.get("ratio_bytes"):
            results[row["method"]] = [(100 / row["ratio_bytes"], row["test_error"])]
    figure = pareto_figure(results, size="bytes, % of float32", error="test error, %")
    (axes,) = figure.axes
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    return figure


def _numbers(axes: Axes, rows: Sequence[Mapping[str, Any]], kind: str) -> None:
    """Draw the files of one kind, with the numbers of their rows."""
    networks = [row["networks"][kind] for row in rows]
    worst = WORST * min(network["test_error"]["mean"] for network in networks)
    numbers: dict[tuple[float, float], list[int]] = {}  # of the penalties at one place
    for number, (row, network) in enumerate(zip(rows, networks, strict=True), 1):
        error, size = network["test_error"], network["bytes"]["mean"]
        if error["mean"] <= worst:
            numbers.setdefault((size, error["mean"]), []).append(number)
            look = {"color": _color(row["penalty"]), "fmt": "o", "markersize": 4, "elinewidth": 1}
            axes.errorbar(size, error["mean"], yerr=whiskers([error]), **look, alpha=0.6)
    sizes = np.array([size for size, _ in numbers])
    for (size, error), here in numbers.items():
        # On the side where the next point is further away.
        right, left = (min(far[far > 0], default=np.inf) for far in (sizes - size, size - sizes))
        axes.annotate(
            ", ".join(map(str, here)),
            (size, error),
            xytext=(-4 if right < left else 4, 2),
            textcoords="offset points",
            ha="right" if right < left else "left",
            color=_color(rows[here[0] - 1]["penalty"]),
            weight="bold",
        )
    left_out = len(rows) - sum(map(len, numbers.values()))
    axes.set_title(kind + (f" ({left_out} far off not shown)" if left_out else ""))
    axes.set_xlabel("bytes of the file")
    axes.set_ylabel("test error, %")
    axes.margins(x=0.08)
    axes.grid(alpha=0.3)


def _names(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """List the names of the numbers in two columns."""
    lines = math.ceil(len(rows) / 2)
    for index, row in enumerate(rows):
        column, line = divmod(index, lines)
        x, y = 0.52 * column, 1 - (line + 0.5) / lines
        look = {"fontsize": "small", "va": "center"}
        number = {"color": _color(row["penalty"]), "weight": "bold", "ha": "right"}
        axes.text(x, y, str(index + 1), **look, **number)
        axes.text(x + 0.02, y, row["penalty"], **look)


def _color(penalty: str) -> str:
    for part, color in (
        ("l1/l2", BLUE),
        ("Hoyer", ORANGE),
        ("l1", VERMILLION),
        ("l2", GREEN),
    ):
        if penalty.removeprefix("prox of ").startswith(part):
            return color
    return BLACK
