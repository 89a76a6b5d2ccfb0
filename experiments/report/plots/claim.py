"""Claim C1 in a picture: what penalties do to weights over the training, and at its end."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from experiments.report.plots.intervals import whiskers
from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION, in_turn, styles_of

_STYLES = {
    "none": (BLACK, ":", "o"),
    "l2": (GREEN, "-.", "s"),
    "l1": (VERMILLION, "--", "^"),
    "l1/l2 global": (BLUE, "-", "D"),
    "l1/l2 per tensor": (ORANGE, (0, (8, 1)), "v"),
    "l1/l2 global + 100 c": (BLACK, (0, (4, 1, 1, 1, 1, 1)), "P"),
}
_LIVE = "number of weights above c / 10"
_DISTANCE = "relative distance to ternary"
_ENTROPY = "bits per non-zero weight"
_MARKED = 3  # one of so many points of a curve has its marker
_COLORS = (GREEN, VERMILLION, ORANGE, BLUE, BLACK)
_LOOKS = (("--", "X"), ("-.", "p"), (":", "*"), ("-", "h"))
_OTHER_STYLES = [(color, *look) for color, look in in_turn(_COLORS, _LOOKS)]


def claim_figure(record: Mapping[str, Any]) -> Figure:
    """Ends of all runs above, curves over the training below; without the weights of unlit pixels.

    Args:
      record: of `experiments.sweeps.claim`.

    Returns:
      A figure of two by three panels.
    """
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    panels = figure.subplots(2, 3)
    measures = (
        ("lit_ternary_distance", _DISTANCE),
        ("lit_nonzero_entropy", _ENTROPY),
        ("validation_accuracy", "validation accuracy, %"),
    )
    for axes, (key, label) in zip(panels[0], measures, strict=True):
        _ends(axes, record, key)
        axes.set_ylabel(label)
    panels[0][2].yaxis.set_major_formatter(PercentFormatter(1, decimals=1, symbol=""))
    panels[0][1].set_title("at the end of training")
    curves = (
        ("lit_live", _LIVE),
        ("lit_ternary_distance", _DISTANCE),
        ("lit_nonzero_entropy", _ENTROPY),
    )
    for axes, (key, label) in zip(panels[1], curves, strict=True):
        _curves(axes, record, key)
        axes.set_ylabel(label)
    panels[1][0].set_yscale("log")
    panels[1][1].set_title("during training")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=3, frameon=False, handlelength=4
    )
    return figure


def _by_penalty(record: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    out: dict[str, list[Mapping[str, Any]]] = {}
    for setting in record["settings"]:
        out.setdefault(setting["penalty"], []).append(setting)
    return out


def _ends(axes: Axes, record: Mapping[str, Any], key: str) -> None:
    settings_of = _by_penalty(record)
    for penalty, (color, style, marker) in styles_of(settings_of, _STYLES, _OTHER_STYLES).items():
        settings = settings_of[penalty]
        x = [s["end"]["lit_live"]["mean"] for s in settings]
        ends = [s["end"][key] for s in settings]
        axes.errorbar(
            x,
            [end["mean"] for end in ends],
            yerr=whiskers(ends),
            color=color,
            linestyle=style,
            marker=marker,
            markersize=5,
            capsize=2,
            label=penalty,
        )
    axes.set_xscale("log")
    axes.set_xlabel(_LIVE)
    axes.grid(alpha=0.3)


def _curves(axes: Axes, record: Mapping[str, Any], key: str) -> None:
    settings_of = _by_penalty(record)
    for penalty, (color, style, marker) in styles_of(settings_of, _STYLES, _OTHER_STYLES).items():
        settings = settings_of[penalty]
        middle = settings[len(settings) // 2]  # one weight for each, to be readable
        axes.plot(
            middle["step"],
            middle["curve"][key],
            color=color,
            linestyle=style,
            marker=marker,
            markersize=5,
            markevery=_MARKED,
        )
    axes.set_xlabel("training step")
    axes.grid(alpha=0.3)
