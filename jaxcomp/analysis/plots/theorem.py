"""Draws the theorem: descent, saddles, and the composite condition."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes

from jaxcomp.analysis.composite import CompositeCondition
from jaxcomp.analysis.plots.colors import BLACK, BLUE, ORANGE, VERMILLION
from jaxcomp.losses import compressibility

_REACH = 0.3  # reach of slices, as a fraction of the norm of the point


def descent_paths(axes: Axes, path: np.ndarray) -> None:
    """Draw the magnitude of each entry over the steps of a descent, with the ternary level.

    Args:
      axes: the axes to draw on.
      path: points in order, [steps, n].
    """
    magnitudes = np.abs(path)
    level = np.sum(magnitudes**2, axis=1) / np.sum(magnitudes, axis=1)
    winner = magnitudes[-1].argmax()
    others = np.delete(magnitudes, winner, axis=1)
    axes.plot(magnitudes[:, winner], color=BLUE, linewidth=2.2, label="largest at the end")
    for line in axes.plot(others, color=BLACK, linewidth=0.9, alpha=0.6)[:1]:
        line.set_label("the others")
    axes.plot(level, "--", color=ORANGE, linewidth=2, label="ternary level c")
    axes.set_xlabel("step")
    axes.set_ylabel("magnitude of each entry")
    axes.set_ylim(bottom=0)
    axes.legend()


def slices(axes: Axes, w: np.ndarray, directions: Mapping[str, np.ndarray]) -> None:
    """Draw the loss along straight lines through a point.

    Args:
      axes: the axes to draw on.
      w: the point, [n].
      directions: vectors [n], by label; their length does not matter.
    """
    steps = np.linspace(-_REACH, _REACH, 121)
    styles = ((BLUE, "-"), (VERMILLION, "--"), (ORANGE, "-."))
    for (label, direction), (color, style) in zip(directions.items(), cycle(styles), strict=False):
        unit = direction * np.linalg.norm(w) / np.linalg.norm(direction)
        values = [float(compressibility(w + step * unit)) for step in steps]
        axes.plot(steps, values, style, color=color, label=label, linewidth=1.8)
    axes.plot([0], [float(compressibility(w))], "o", color=BLACK)
    axes.set_xlabel("distance from the point / its norm")
    axes.set_ylabel("L")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)


def composite_scatter(axes: Axes, condition: CompositeCondition) -> None:
    """Draw both sides of the composite condition for weights on the support, and the diagonal."""
    measured = condition.measured[condition.on_support]
    predicted = condition.predicted[condition.on_support]
    low, high = min(0, predicted.min()), 1.05 * max(measured.max(), predicted.max())
    axes.plot([low, high], [low, high], "-", color=ORANGE, linewidth=1.2, zorder=1)
    axes.plot(predicted, measured, "o", color=BLUE, markersize=3.5, alpha=0.7, zorder=2)
    axes.axhline(1, color=BLACK, linewidth=0.8, linestyle=":")
    axes.set_xlabel("predicted: 1 + (r / strength) s df")
    axes.set_ylabel("measured: |w| / c")


def convergence(axes: Axes, runs: Sequence[Sequence[Mapping[str, float]]]) -> None:
    """Draw the residual of the composite condition against the length of the subgradient.

    Args:
      axes: the axes to draw on.
      runs: for each run, points on the way to a minimum, with `subgradient_norm`, `worst_residual`
        and `median_residual`.
    """
    styles = (
        ("worst_residual", "o", BLUE, BLUE, "worst"),
        ("median_residual", "^", VERMILLION, "none", "median"),
    )
    for key, marker, color, face, label in styles:
        points = [(p["subgradient_norm"], p[key]) for run in runs for p in run]
        axes.plot(
            *zip(*points, strict=True),
            marker,
            color=color,
            markerfacecolor=face,
            alpha=0.7,
            label=label,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("length of the shortest subgradient")
    axes.set_ylabel("residual over the support")
    axes.legend()
