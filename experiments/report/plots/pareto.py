"""Error against size, with the front of what is not beaten."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.figure import Figure

from experiments.report.pareto import pareto_front
from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION

_COLORS, _MARKERS = (BLUE, VERMILLION, BLACK, ORANGE, GREEN), "osD^vPX"
# Both in turn: all 35 pairs, and neighbors differ in both, to be told apart in gray too.
_STYLES = [(_COLORS[i % 5], _MARKERS[i % 7]) for i in range(35)]


def pareto_figure(
    results: Mapping[str, Sequence[tuple[float, float]]],
    *,
    size: str = "bytes of the file",
    error: str = "validation error, %",
) -> Figure:
    """A point for each result, and a line through those that none beats.

    The only name is the title; several are in a legend.

    Args:
      results: by name, pairs of size and error, at least one.
      size: what the sizes are.
      error: what the errors are.
    """
    several = len(results) > 1
    figure = Figure(figsize=(8, 4.5 + 0.2 * several * len(results)), layout="constrained")
    axes = figure.subplots()
    for (name, points), (color, marker) in zip(results.items(), cycle(_STYLES), strict=False):
        axes.plot(*zip(*points, strict=True), marker, color=color, alpha=0.8, label=name)
    drawn = [point for points in results.values() for point in points]
    front = [drawn[i] for i in pareto_front(drawn)]
    if len(front) > 1:  # else it would be seen in the legend alone
        x, y = zip(*front, strict=True)
        axes.plot(x, y, "-", color="gray", linewidth=1, zorder=0, label="front")
    axes.set_xlabel(size)
    axes.set_ylabel(error)
    axes.grid(alpha=0.3)
    if several:
        figure.legend(loc="outside lower center", frameon=False)
    else:
        axes.set_title(*results)
    return figure
