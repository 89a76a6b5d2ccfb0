"""A run at a glance: weights before and after, the size of the file, and the accuracy."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from experiments.report.plots.compression import Layers, small_share
from jaxcomp.analysis.plots.colors import BLACK, BLUE, ORANGE

_ROWS, _COLUMNS = 32, 64  # of the block of weights that is drawn
# Negative weights are dark and positive ones bright, also in gray.
_MAP = LinearSegmentedColormap.from_list("weights", (BLUE, "white", ORANGE))
_BINS = 61
_COUNTED = 5  # values whose counts are written beside them


class Measured(NamedTuple):
    """Holds the numbers of a run that stand in the figure."""

    float32_bytes: int
    file_bytes: int
    dense_accuracy: float  # of the network trained without the penalty, on the test split
    file_accuracy: float  # of the network read back from the file, on the test split


def summary_figure(
    dense: Layers, penalized: Layers, compressed: Layers, measured: Measured, title: str
) -> Figure:
    """Draw the largest layer in three stages, and below them the sizes and the accuracies.

    Args:
      dense: weight arrays by layer name, trained without the penalty.
      penalized: the same layers, trained with it.
      compressed: the same layers as they are stored: few-valued arrays.
      measured: the numbers of the run.
      title: the name of the run.
    """
    name = max(dense, key=lambda name: dense[name].size)
    before, between, after = (layers[name] for layers in (dense, penalized, compressed))
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    figure.suptitle(title)
    top, bottom = figure.subfigures(2, 1, height_ratios=(4, 1), hspace=0.03)
    blocks, histograms = top.subplots(2, 3, sharex="row", sharey="row", height_ratios=(1, 1.2))
    titles = (
        f"trained without the penalty:\n{100 * small_share(before):.0f} % of weights are near zero",
        f"trained with the penalty:\n{100 * small_share(between):.0f} % of weights are near zero",
        f"stored in the file: {len(np.unique(after))} values,\n"
        f"{100 * np.mean(after == 0):.0f} % of weights are zero",
    )
    for axes, w, heading in zip(blocks, (before, between, after), titles, strict=True):
        axes.set(title=heading, xticks=[], yticks=[])
        _draw_block(axes, w, np.abs(after).max())
    rows, columns = _block(before).shape
    blocks[0].set_ylabel(f"{rows} x {columns} weights\nof {name.removesuffix('/kernel')}")

    limit = 1.05 * max(np.abs(w).max() for w in (before, between, after))
    for axes, w in zip(histograms, (before, between), strict=False):
        axes.hist(
            w.ravel(), bins=_BINS, range=(-limit, limit), color=BLUE, edgecolor=BLACK, linewidth=0.3
        )
    _draw_values(histograms[2], after)
    for axes in histograms:
        axes.set(xlabel="value of a weight", xlim=(-limit, limit), yscale="log")
    histograms[0].set(
        ylabel=f"number of weights,\n{before.size:,} in all", ylim=(0.5, 4 * after.size)
    )
    _draw_bytes(bottom.subplots(), measured)
    return figure


def _block(w: np.ndarray) -> np.ndarray:
    """Return the first rows and columns of an array as a matrix; its columns are the last axis."""
    return w.reshape(-1, w.shape[-1])[:_ROWS, :_COLUMNS]


def _draw_block(axes: Axes, w: np.ndarray, level: float) -> None:
    level = level or 1.0  # of a layer that is pruned away
    axes.imshow(
        _block(w), cmap=_MAP, vmin=-level, vmax=level, interpolation="nearest", aspect="auto"
    )


def _draw_values(axes: Axes, w: np.ndarray) -> None:
    values, counts = np.unique(w, return_counts=True)
    axes.vlines(values, 0.5, counts, color=ORANGE, linewidth=3)
    axes.plot(values, counts, "o", color=ORANGE, markeredgecolor=BLACK)
    for value, count in zip(values, counts, strict=True) if len(values) <= _COUNTED else ():
        axes.annotate(f"{count:,}", (value, count), (0, 6), textcoords="offset points", ha="center")


def _draw_bytes(axes: Axes, measured: Measured) -> None:
    large, small = measured.float32_bytes, measured.file_bytes
    axes.barh([1, 0], [large, small], 0.4, color=("white", ORANGE), edgecolor=BLACK)
    before, after = 100 * measured.dense_accuracy, 100 * measured.file_accuracy
    texts = (
        f"as float32: {large:,} bytes; trained without the penalty: test accuracy {before:.1f} %",
        f"model.jxc: {small:,} bytes, {large / small:.0f} times smaller; "
        f"read back from the file: test accuracy {after:.1f} %",
    )
    for y, text in zip((1, 0), texts, strict=True):
        axes.annotate(text, (0, y + 0.2), (0, 4), textcoords="offset points")
    axes.set(xlim=(0, 1.005 * max(large, small)), ylim=(-0.25, 1.7))
    axes.set_axis_off()
