"""Weights and their measures over the steps of a training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxcomp.analysis.measures import Measures
from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION

_STYLES = ((BLACK, ":"), (BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILLION, (0, (5, 1))))


def weights_over_time(
    panels: Sequence[Axes],
    reference: Mapping[int, np.ndarray],
    weights: Mapping[int, np.ndarray],
    levels: Mapping[int, float],
    labels: tuple[str, str],
) -> None:
    """Histograms of one layer at several steps, one panel for each; the counts on a log axis.

    All panels have the same bins and the same limits, so that they can be compared by eye.

    Args:
      panels: where to draw, one for each step and in their order.
      reference: the layer trained in another way, an array of any shape for each step: an outline.
      weights: the layer at the same steps: filled.
      levels: ternary level for each step, marked on both sides of zero.
      labels: names of `reference` and of `weights` for a legend.

    Raises:
      ValueError: if the number of panels or the steps differ.
    """
    if not reference.keys() == weights.keys() == levels.keys():
        raise ValueError("reference, weights and levels must be of the same steps")
    limit = 1.05 * max(np.abs(w).max() for run in (reference, weights) for w in run.values())
    bins = {"bins": 81, "range": (-limit, limit)}
    top = 0.0
    for axes, step in zip(panels, weights, strict=True):
        filled, _, _ = axes.hist(
            weights[step].ravel(),
            **bins,
            histtype="stepfilled",
            color=BLUE,
            alpha=0.4,
            label=labels[1],
        )
        outline, _, _ = axes.hist(
            reference[step].ravel(), **bins, histtype="step", color=BLACK, label=labels[0]
        )
        for sign in (-1, 1):
            axes.axvline(
                sign * levels[step],
                color=VERMILLION,
                linestyle="--",
                linewidth=1.4,
                label="ternary level c" if sign > 0 else None,
            )
        axes.set_yscale("log")
        top = max(top, filled.max(), outline.max())
    for axes in panels:
        axes.set_ylim(0.5, 2 * top)  # a single weight is visible
        axes.set_xlim(-limit, limit)


def measure_curves(
    panels: Sequence[Axes], runs: Mapping[str, Mapping[int, Measures]], names: Mapping[str, str]
) -> None:
    """Measures over the steps of several trainings, one panel for each measure, from zero up.

    Args:
      panels: where to draw, one for each measure and in their order.
      runs: the measures by step, by label of the run; at most five runs.
      names: what to draw: fields of `Measures`, and how to call each.

    Raises:
      ValueError: if the number of panels and of names differ, or there are too many runs.
    """
    if len(runs) > len(_STYLES):
        raise ValueError(f"{len(runs)} runs: there are styles for {len(_STYLES)}")
    for axes, (field, name) in zip(panels, names.items(), strict=True):
        for (label, points), (color, style) in zip(runs.items(), _STYLES, strict=False):
            values = [float(getattr(point, field)) for point in points.values()]
            axes.plot(
                list(points), values, color=color, linestyle=style, linewidth=1.8, label=label
            )
        axes.set_ylim(0, 1.1 * max(axes.dataLim.y1, 1e-9))  # room above, also if all are zero
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel("training step")
        axes.grid(alpha=0.3)
