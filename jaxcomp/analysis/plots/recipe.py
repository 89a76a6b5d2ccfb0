"""Draws what the phases of a recipe did to a network."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure

from jaxcomp.analysis.plots.colors import BLACK, BLUE, ORANGE


class Reported(Protocol):
    """Has the numbers of a phase that are drawn."""

    @property
    def name(self) -> str:
        """Name it."""

    @property
    def steps(self) -> int:
        """Count its training steps."""

    @property
    def validation(self) -> float | None:
        """Give the mean loss of the validation batches; None if there are none."""

    @property
    def nonzeros(self) -> int:
        """Count the entries that are not zero."""


def recipe_figure(phases: Sequence[Reported], history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the training loss over all steps, and the result of each phase.

    Args:
      phases: the phases in order.
      history: points of the curves in order, with `phase`, `step` within the phase and `loss`.

    Returns:
      A figure of two panels: the loss, with a line where a phase ends; and for each phase the
      number of non-zeros, and the validation loss if there is one.
    """
    figure = Figure(figsize=(8.5, 3.8), layout="constrained")
    curve, bars = figure.subplots(1, 2)
    ends = np.cumsum([phase.steps for phase in phases])
    curve.plot(_steps(history), [point["loss"] for point in history], color=BLUE, linewidth=1)
    curve.set(xlabel="training step", ylabel="training loss", yscale="log")
    for phase, end in zip(phases, ends, strict=True):
        if phase.steps:
            curve.axvline(end, color=BLACK, linewidth=0.5, linestyle=":")
            middle = (end - phase.steps / 2, 1.01)
            curve.annotate(
                phase.name,
                middle,
                xycoords=("data", "axes fraction"),
                rotation=45,
                fontsize=9,
                ha="left",
            )

    places, names = np.arange(len(phases)), [phase.name for phase in phases]
    bars.bar(places, [phase.nonzeros for phase in phases], color="white", edgecolor=BLACK)
    bars.set(yscale="log", ylabel="number of non-zeros (bars)", xticks=places)
    bars.set_xticklabels(names, rotation=45, ha="right")
    losses = [phase.validation for phase in phases]
    if None not in losses:
        beside = bars.twinx()
        beside.plot(places, losses, color=ORANGE, marker="o", markeredgecolor=BLACK)
        beside.set_ylabel("validation loss (line)")
        beside.set_ylim(bottom=0)
    return figure


def _steps(history: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the steps of all points, counted through all parts of all phases."""
    steps, made = [], 0
    before: Mapping[str, Any] = {"phase": None, "step": 0}
    for point in history:
        if point["phase"] != before["phase"]:
            made += before["step"]
        steps.append(made + point["step"])
        before = point
    return steps
