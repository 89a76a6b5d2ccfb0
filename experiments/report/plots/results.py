"""Results of many methods in a picture: error against bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.report.penalties_table import file_kinds
from experiments.report.plots.intervals import whiskers
from experiments.report.plots.pareto import pareto_figure
from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION

WORST = 3.0  # times the smallest error: what is further off is not drawn
_MARKERS = "osD^v"


def penalties_figure(record: Mapping[str, Any]) -> Figure:
    """One panel for each kind of file: mean test error against bytes, a point for each penalty.

    Args:
      record: of `experiments.sweeps.baselines`. Ratios are blue, l2 is green, l1 vermillion,
        Hoyer-square orange and the rest black; filled points have a term for the magnitudes.
    """
    kinds = file_kinds(record)
    figure = Figure(figsize=(4.2 * len(kinds), 4.6), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    rows = [row for row in record["penalties"] if row["networks"]]
    styles = _styles([row["penalty"] for row in rows])
    for axes, kind in zip(panels, kinds, strict=True):
        errors = [row["networks"][kind]["test_error"]["mean"] for row in rows]
        left_out = 0
        for row, style in zip(rows, styles, strict=True):
            network = row["networks"][kind]
            error, size = network["test_error"], network["bytes"]
            if error["mean"] > WORST * min(errors):
                left_out += 1
                continue
            axes.errorbar(
                size["mean"],
                error["mean"],
                yerr=whiskers([error]),
                **style,
                capsize=2,
                linestyle="none",
                label=row["penalty"],
            )
        axes.set_title(kind + (f" ({left_out} far off not shown)" if left_out else ""))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.set_xlabel("bytes of the file")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("test error, %")
    handles = {}
    for axes in panels:
        handles.update(dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True)))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=5, frameon=False
    )
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


def _styles(penalties: Sequence[str]) -> list[dict[str, str | None]]:
    """The marker tells apart what has one color and is filled or not."""
    styles: list[dict[str, str | None]] = []
    for penalty in penalties:
        own = {"color": _color(penalty), "markerfacecolor": None if "+" in penalty else "none"}
        alike = sum(own.items() <= style.items() for style in styles)
        styles.append({**own, "marker": _MARKERS[alike % len(_MARKERS)]})
    return styles


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
