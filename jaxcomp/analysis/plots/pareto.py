"""Error against size, with the front of what is not beaten."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from jaxcomp.analysis.pareto import pareto_front
from jaxcomp.analysis.plots.colours import BLACK, BLUE, GREEN, ORANGE, VERMILLION

_STYLES = [(c, m) for m in "osD^vPX" for c in (BLUE, ORANGE, GREEN, VERMILLION, BLACK)]


def pareto_figure(
    results: Mapping[str, Sequence[tuple[float, float]]],
    *,
    size: str = "bytes of the file",
    error: str = "validation error, %",
    worst: float = float("inf"),
) -> Figure:
    """A point for each result, and a line through those that none beats.

    Args:
      results: by name, pairs of size and error.
      size: what the sizes are.
      error: what the errors are.
      worst: results with larger errors are not drawn; the title says how many.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    drawn = []
    for (name, points), (colour, marker) in zip(results.items(), _STYLES * 3, strict=False):
        shown = [point for point in points if point[1] <= worst]
        drawn += shown
        if shown:
            axes.plot(*zip(*shown, strict=True), marker, color=colour, alpha=0.8, label=name)
    front = [drawn[i] for i in pareto_front(drawn)]
    axes.plot(*zip(*front, strict=True), "-", color="grey", linewidth=1, zorder=0, label="front")
    left_out = sum(map(len, results.values())) - len(drawn)
    if left_out:
        axes.set_title(f"{left_out} results with errors above {worst:g} % are not shown")
    axes.set_xlabel(size)
    axes.set_ylabel(error)
    axes.grid(alpha=0.3)
    if len(results) > 1:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure
