"""What a run did to a network: its weights before and after, sparsity, curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION, styles_of

_STYLES = {
    "dense": (BLACK, ":"),
    "penalty": (BLUE, "-"),
    "fine-tune": (GREEN, "-."),
    "gap": (BLACK, (0, (4, 1, 1, 1, 1, 1))),
    "quantize": (ORANGE, "--"),
    "settle": (VERMILLION, (0, (8, 1))),
}

_COLORS = (GREEN, VERMILLION, BLUE, ORANGE, BLACK)
_OTHER_STYLES = [(color, style) for style in ("--", "-", "-.", ":") for color in _COLORS]

HISTOGRAMS = 4  # of the layers with the most weights; more are too narrow to read
_BARS = (("white", ""), (BLUE, "//"), (ORANGE, ".."), (GREEN, "xx"), (VERMILLION, "--"))
LABELED = 6  # layers whose bars have names and numbers

Layers = Mapping[str, np.ndarray]


def compression_figure(
    dense: Layers, penalized: Layers, compressed: Layers, history: Sequence[Mapping[str, Any]]
) -> Figure:
    """Draw what a run did to a network: weights before and after, sparsity, curves.

    Args:
      dense: weight arrays by layer name, trained without the penalty.
      penalized: the same layers, trained with it.
      compressed: the same layers as they are stored: few-valued arrays.
      history: points of the curves in order, with `phase`, `step` within the phase, `penalty` and
        `validation_accuracy`.

    Returns:
      A figure with a histogram for each layer, or for the largest ones, above three panels.
    """
    largest = sorted(dense, key=lambda name: dense[name].size, reverse=True)[:HISTOGRAMS]
    shown = [name for name in dense if name in largest]
    figure = Figure(figsize=(9.5, 6.4), layout="constrained")
    top, bottom = figure.subfigures(2, 1)
    histograms = np.atleast_1d(top.subplots(1, len(shown)))
    for axes, name in zip(histograms, shown, strict=True):
        weight_histogram(axes, dense[name], penalized[name], compressed[name])
        shape, between = " x ".join(map(str, dense[name].shape)), "\n" if len(name) > 16 else " "
        axes.set_title(f"{_short(name)},{between}{shape}", fontsize=10)
    histograms[0].set_ylabel("number of weights")
    handles, labels = histograms[0].get_legend_handles_labels()
    top.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)

    sparsity, penalty, accuracy = bottom.subplots(1, 3)
    small_weight_bars(sparsity, {"dense": dense, "penalty": penalized, "compressed": compressed})
    curves(penalty, [point for point in history if point["penalty"]], "penalty")
    penalty.set_ylabel("penalty added to the loss")
    curves(accuracy, history, "validation_accuracy")
    accuracy.set_ylabel("validation accuracy, %")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    handles, labels = accuracy.get_legend_handles_labels()
    bottom.legend(handles, labels, loc="outside lower right", ncols=len(labels), title="phase")
    return figure


def weight_histogram(
    axes: Axes, dense: np.ndarray, penalized: np.ndarray, compressed: np.ndarray
) -> None:
    """Histograms of a layer's weights, and the count of each of its few values at the end."""
    limit = 1.05 * max(np.abs(w).max() for w in (dense, penalized, compressed))
    bins = {"bins": 81, "range": (-limit, limit)}
    axes.hist(dense.ravel(), **bins, histtype="step", color=BLACK, label="dense")
    axes.hist(penalized.ravel(), **bins, color=BLUE, alpha=0.45, label="with penalty")
    values, counts = np.unique(compressed, return_counts=True)
    axes.vlines(values, 0.5, counts, color=ORANGE, linewidth=2)
    axes.plot(
        values, counts, "o", color=ORANGE, markeredgecolor=BLACK, label="compressed (each value)"
    )
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    axes.set_xlabel("value of a weight")


def small_weight_bars(axes: Axes, stages: Mapping[str, Layers]) -> None:
    """Share of each layer's weights that are below a tenth of its ternary level, by stage.

    In the last stage these are the exact zeros; before pruning there are none.
    """
    names = list(next(iter(stages.values())))
    positions = np.arange(len(names))
    width = 0.8 / len(stages)
    for index, (stage, layers) in enumerate(stages.items()):
        offset = (index - (len(stages) - 1) / 2) * width
        color, hatch = _BARS[index % len(_BARS)]
        shares = [100 * small_share(layers[name]) for name in names]
        bars = axes.bar(
            positions + offset,
            shares,
            width,
            color=color,
            hatch=hatch,
            label=stage,
            edgecolor=BLACK,
            linewidth=0.6,
        )
        if len(names) <= LABELED:
            axes.bar_label(bars, fmt="%.0f", fontsize=9)
    if len(names) <= LABELED:
        axes.set_xticks(positions, [_short(name) for name in names])
    else:
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("layer, in the order of names")
    axes.set_ylabel("weights below c / 10, %")
    axes.set_ylim(0, 110)
    axes.legend(
        fontsize=9,
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=len(stages),
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=0.8,
        frameon=False,
    )


def small_share(w: np.ndarray) -> float:
    """Return the share of weights whose magnitude is below a tenth of their ternary level."""
    magnitudes = np.abs(w)
    if not magnitudes.any():
        return 1.0
    level = np.sum(magnitudes**2) / np.sum(magnitudes)
    return float(np.mean(magnitudes < level / 10))


def curves(axes: Axes, history: Sequence[Mapping[str, Any]], key: str) -> None:
    """One quantity over the steps of each phase, all phases from their own step 0."""
    phases = dict.fromkeys(point["phase"] for point in history)
    for phase, (color, style) in styles_of(phases, _STYLES, _OTHER_STYLES).items():
        points = [point for point in history if point["phase"] == phase]
        steps, values = [p["step"] for p in points], [p[key] for p in points]
        # A single point has no line.
        marker = "o" if len(points) == 1 else None
        look = {"color": color, "linestyle": style, "marker": marker, "markersize": 4}
        axes.plot(steps, values, label=phase, **look)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("step of the phase")
    axes.grid(alpha=0.3)


def _short(name: str) -> str:
    return name.removesuffix("/kernel")
