"""Results of many methods in a picture: error against bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.report.penalties_table import best_files, file_kinds
from experiments.report.plots.intervals import whiskers
from experiments.report.plots.pareto import pareto_figure
from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION, in_turn, styles_of

WORST = 3.0  # times the smallest error: what is further off is not drawn
# The usual baselines and the forms of the paper have names in any case.
_NAMED = {
    "none": (BLACK, "o"),
    "l1": (VERMILLION, "^"),
    "l2": (GREEN, "s"),
    "l1/l2": (BLUE, "D"),
    "l1/l2 per tensor": (BLUE, "v"),
}
_COLORS, _MARKERS = (BLUE, VERMILLION, BLACK, GREEN, ORANGE), "P*Xph<"
_BEST = in_turn(_COLORS, _MARKERS)
_OTHER = "others, see the table"


def penalties_figure(record: Mapping[str, Any]) -> Figure:
    """One panel for each kind of file: mean test error against bytes, a point for each penalty.

    Names and 95 % intervals are for the baselines, the forms of the paper, and the penalties that
    have one of `best_files`, which are filled. The others are small gray points.

    Args:
      record: of `experiments.sweeps.baselines`.
    """
    kinds = file_kinds(record)
    figure = Figure(figsize=(3 * len(kinds), 4.2), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    rows = [row for row in record["penalties"] if row["networks"]]
    styles = penalty_styles(record)
    for axes, kind in zip(panels, kinds, strict=True):
        networks = {row["penalty"]: row["networks"][kind] for row in rows}
        worst = WORST * min(network["test_error"]["mean"] for network in networks.values())
        near = {
            name: (network["bytes"]["mean"], network["test_error"])
            for name, network in networks.items()
            if network["test_error"]["mean"] <= worst
        }
        for name, (size, error) in near.items():
            if name not in styles:
                axes.plot(size, error["mean"], ".", color="gray", label=_OTHER)
        for name, style in styles.items():
            if name in near:
                size, error = near[name]
                look = {"capsize": 2, "linestyle": "none", "markersize": 8, **style}
                axes.errorbar(size, error["mean"], yerr=whiskers([error]), label=name, **look)
        left_out = len(networks) - len(near)
        axes.set_title(kind + (f"\n({left_out} far off not shown)" if left_out else ""))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel("size of the file, bytes")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("test error, %")
    handles = {}
    for axes in panels:
        handles.update(dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True)))
    order = sorted(handles, key=[*styles, _OTHER].index)
    figure.legend(
        [handles[name] for name in order], order, loc="outside lower center", ncols=3, frameon=False
    )
    return figure


def penalty_styles(record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return how to draw each penalty that has a name in the figure, in the order of the legend."""
    penalties = [row["penalty"] for row in record["penalties"] if row["networks"]]
    best = {penalty for penalty, _ in best_files(record)}
    named = [name for name in _NAMED if name in penalties]
    others = [name for name in penalties if name in best and name not in _NAMED]
    styles = {}
    for name, (color, marker) in styles_of([*named, *others], _NAMED, _BEST).items():
        face = color if name in best else "none"
        styles[name] = {"color": color, "marker": marker, "markerfacecolor": face}
    return styles


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
    figure = pareto_figure(results, size="size of the file, % of float32", error="test error, %")
    (axes,) = figure.axes
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    return figure
