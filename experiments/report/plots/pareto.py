"""Error against size, with the front of what is not beaten."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.figure import Figure

from experiments.report.pareto import pareto_front
from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION, in_turn

_COLORS, _MARKERS = (BLUE, VERMILLION, GREEN, BLACK, ORANGE), "osD^vPX*"
_STYLES = in_turn(_COLORS, _MARKERS)


def pareto_figure(
    results: Mapping[str, Sequence[tuple[float, float]]],
    *,
    size: str = "size of the file, bytes",
    error: str = "validation error, %",
) -> Figure:
    """A point for each result, and a line through those that none beats.

    The only name is the title; several are in a legend.

    Args:
      results: by name, pairs of size and error, at least one.
      size: what the sizes are.
      error: what the errors are.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for i, ((name, points), (color, marker)) in enumerate(
        zip(results.items(), cycle(_STYLES), strict=False)
    ):
        # Where the markers begin again, they are not filled, then filled, and so on.
        face = "none" if i // len(_MARKERS) % 2 else color
        look = {"color": color, "markerfacecolor": face, "markersize": 7}
        axes.plot(*zip(*points, strict=True), marker, **look, label=name)
    drawn = [point for points in results.values() for point in points]
    front = [drawn[i] for i in pareto_front(drawn)]
    if len(front) > 1:  # else it would be seen in the legend alone
        x, y = zip(*front, strict=True)
        axes.plot(x, y, "-", color="gray", linewidth=1, zorder=0, label="front")
    axes.set_xlabel(size)
    axes.set_ylabel(error)
    axes.grid(alpha=0.3)
    if len(results) == 1:
        axes.set_title(*results)
    else:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure
