"""How the codec works, on a block of trained levels: context, model, range coder, bytes."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.path import Path

from jaxcomp.analysis.plots.colors import BLACK, ORANGE

_ZOOMS = 6  # decisions of the range coder that are drawn
_HEX_ROWS, _HEX_COLUMNS = 6, 4
# Negative levels are darker than positive ones, also in gray; the numbers stay readable on both.
_MAP = LinearSegmentedColormap.from_list("levels", ("#66A9D0", "white", "#F6CC70"))
_SMALL = 9  # points
_GRAY = "0.85"
_PLACES = {  # left, bottom, width and height, as shares of the figure
    "levels": (0.075, 0.525, 0.41, 0.385),
    "pixels": (0.565, 0.575, 0.18, 0.265),
    "scales": (0.81, 0.575, 0.18, 0.265),
    "model": (0.075, 0.075, 0.35, 0.255),
    "coder": (0.515, 0.075, 0.27, 0.255),
    "bytes": (0.85, 0.075, 0.14, 0.255),
}
_ARROWS = (  # corners, in the same unit
    ((0.495, 0.71), (0.535, 0.71)),
    ((0.775, 0.54), (0.775, 0.432), (0.28, 0.432), (0.28, 0.398)),
    ((0.435, 0.2), (0.475, 0.2)),
    ((0.8, 0.2), (0.835, 0.2)),
)


class Coded(NamedTuple):
    """Holds a matrix of levels, with what the codec makes of it row by row."""

    levels: np.ndarray  # int, [rows, columns]
    lags: tuple[int, ...]  # distances of the earlier rows that predict a level
    period: int  # the distance of rows that are neighbors along the other axis of an image
    likely: np.ndarray  # probability that a level is not zero, before it is read
    factors: tuple[np.ndarray, np.ndarray]  # scales of rows and of columns; 0 if all are zero
    code: bytes


class Block(NamedTuple):
    """Says which part of a matrix is drawn."""

    row: int  # the first one
    columns: np.ndarray  # which ones
    rows: int  # how many; the last one is the row that is being coded
    mark: int  # the column of the block whose level has its context shown


def codec_figure(coded: Coded, block: Block) -> Figure:
    """Draw the way from levels to bytes.

    Args:
      coded: the matrix; its rows are the pixels of images, its columns are units.
      block: the part of it that is shown.
    """
    figure = Figure(figsize=(10, 6.8))
    axes = {name: figure.add_axes(place) for name, place in _PLACES.items()}
    _draw_levels(axes["levels"], coded, block)
    _draw_pixels(axes["pixels"], coded, block)
    _draw_scales(axes["scales"], coded, block)
    _draw_model(axes["model"], coded, block)
    _draw_coder(axes["coder"], coded, block)
    _draw_bytes(axes["bytes"], coded)
    figure.text(0.565, 0.955, "2  Context: what predicts a level", fontsize=12, weight="bold")
    for corners in _ARROWS:
        look = {"arrowstyle": "-|>", "mutation_scale": 18, "linewidth": 1.6, "color": BLACK}
        figure.add_artist(FancyArrowPatch(path=Path(corners), **look))
    return figure


def _draw_levels(axes: Axes, coded: Coded, block: Block) -> None:
    rows = range(block.row, block.row + block.rows)
    part = coded.levels[rows.start : rows.stop, block.columns]
    largest = np.abs(coded.levels).max()
    axes.imshow(part, cmap=_MAP, vmin=-largest, vmax=largest, aspect="auto")
    for (i, j), level in np.ndenumerate(part):
        axes.text(j, i, f"{level}" if level else "", ha="center", va="center", fontsize=_SMALL)
    last = block.rows - 1
    for i, row in enumerate(rows):
        if not coded.levels[row].any():
            _box(axes, -0.5, i - 0.5, part.shape[1], 1, facecolor=_GRAY, hatch="///", linewidth=0)
    for lag in coded.lags:
        _box(axes, block.mark - 0.5, last - lag - 0.5, 1, 1, linestyle=":", linewidth=2)
    _box(axes, block.mark - 0.5, last - 0.5, 1, 1, linewidth=2.5)
    axes.set_xticks(range(part.shape[1]), [f"{c}" for c in block.columns], fontsize=_SMALL)
    axes.tick_params(axis="x", rotation=90)
    axes.set_yticks(range(block.rows), [f"{row}" for row in rows], fontsize=_SMALL)
    axes.set(ylabel="row: a pixel", xlabel="column: a unit")
    size = " x ".join(map(str, coded.levels.shape))
    _title(
        axes, "1  Levels", f"{part.shape[0]} x {part.shape[1]} of {size} trained weights, rounded"
    )


def _draw_pixels(axes: Axes, coded: Coded, block: Block) -> None:
    height, width = len(coded.levels) // coded.period, coded.period
    row = block.row + block.rows - 1
    for pixel, levels in enumerate(coded.levels):
        place = (pixel % width, pixel // width, 1, 1)
        dead = {} if levels.any() else {"facecolor": _GRAY, "hatch": "///"}
        _box(axes, *place, edgecolor="gray", linewidth=0.5, **dead)
    for lag in coded.lags:
        y, x = divmod(row - lag, width)
        _box(axes, x, y, 1, 1, linestyle=":", linewidth=2)
        axes.text(x + 0.5, y + 0.5, f"{lag}", ha="center", va="center", fontsize=_SMALL)
    y, x = divmod(row, width)
    _box(axes, x, y, 1, 1, linewidth=2.5)
    axes.text(x + 0.5, y + 0.5, "?", ha="center", va="center", weight="bold")
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title("small or sparse arrays:\nearlier rows, and the column", fontsize=10)
    axes.set_xlabel("how many rows before;\nhatched: no weights", fontsize=_SMALL)


def _draw_scales(axes: Axes, coded: Coded, block: Block) -> None:
    rows, columns = coded.factors
    rows = rows[block.row : block.row + block.rows, None].astype(float)
    total = np.where(rows > 0, rows + columns[block.columns], np.nan)
    axes.imshow(total, cmap="Greys", aspect="auto", vmin=np.nanmin(total) - 4)
    for i in np.flatnonzero(rows == 0):
        _box(axes, -0.5, i - 0.5, total.shape[1], 1, facecolor=_GRAY, hatch="///", linewidth=0)
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel("scale of the row", fontsize=_SMALL)
    axes.set_xlabel("scale of the column;\ndark: larger levels", fontsize=_SMALL)
    axes.set_title("large or dense arrays:\nscales of row and column", fontsize=10)


def _draw_model(axes: Axes, coded: Coded, block: Block) -> None:
    row = block.row + block.rows - 1
    likely, levels = coded.likely[row, block.columns], coded.levels[row, block.columns]
    for there, color, hatch, label in (
        (True, ORANGE, "//", "turns out not to be zero"),
        (False, "white", "", "turns out to be zero"),
    ):
        at = np.flatnonzero((levels != 0) == there)
        look = {"color": color, "hatch": hatch, "edgecolor": BLACK, "label": label}
        axes.bar(at, 100 * likely[at], **look)
    axes.set_xticks(range(len(levels)), [f"{level}" for level in levels], fontsize=_SMALL)
    axes.set_xlabel(f"levels of row {row}, predicted from what was before")
    axes.set_ylabel("probability that it\nis not zero, %")
    axes.set_ylim(0, 140 * likely.max())
    axes.legend(fontsize=_SMALL, frameon=False, loc="upper center", borderpad=0)
    _title(axes, "3  Adaptive model", "which are not zero? then: which sign, which size?")


def _draw_coder(axes: Axes, coded: Coded, block: Block) -> None:
    row, columns = block.row + block.rows - 1, block.columns[:_ZOOMS]
    for step, column in enumerate(columns):
        likely, level = coded.likely[row, column], coded.levels[row, column]
        taken = (1 - likely, 1.0) if level else (0.0, 1 - likely)
        y = -1.6 * step
        _box(axes, 0, y, 1 - likely, 1, linewidth=0.8)
        _box(axes, 1 - likely, y, likely, 1, linewidth=0.8, facecolor=ORANGE, hatch="//")
        _box(axes, taken[0], y, taken[1] - taken[0], 1, linewidth=2.5)
        cost = -np.log2(taken[1] - taken[0])
        axes.text(-0.03, y + 0.5, f"{level}", ha="right", va="center", fontsize=_SMALL)
        axes.text(1.03, y + 0.5, f"{cost:.2f}", ha="left", va="center", fontsize=_SMALL)
        if step + 1 < len(columns):
            for x, end in zip(taken, (0, 1), strict=True):
                axes.plot([x, end], [y, y - 0.6], color=BLACK, linewidth=0.8, linestyle="--")
    axes.text(1.03, 1.3, "bits", ha="left", va="bottom", fontsize=_SMALL)
    axes.text(-0.03, 1.3, "level", ha="right", va="bottom", fontsize=_SMALL)
    axes.set(xlim=(-0.12, 1.2), ylim=(-1.6 * len(columns) + 0.2, 2.2))
    axes.set_axis_off()
    _title(axes, "4  Range coder", "each answer keeps its part of the interval")


def _draw_bytes(axes: Axes, coded: Coded) -> None:
    shown = coded.code[: _HEX_ROWS * _HEX_COLUMNS].hex(" ").upper()
    width = 3 * _HEX_COLUMNS
    lines = [shown[i : i + width].strip() for i in range(0, len(shown), width)]
    axes.text(0, 0.95, "\n".join([*lines, "..."]), va="top", family="monospace", linespacing=1.3)
    axes.set_axis_off()
    axes.text(0, 0, f"{coded.levels.size:,} levels:\n{len(coded.code):,} bytes", va="bottom")
    _title(axes, "5  Bytes", "")


def _box(axes: Axes, x: float, y: float, width: float, height: float, **look) -> None:
    look = {"facecolor": "none", "edgecolor": BLACK, **look}
    axes.add_patch(Rectangle((x, y), width, height, **look))


def _title(axes: Axes, title: str, below: str) -> None:
    axes.annotate(
        title, (0, 1), (0, 22), "axes fraction", "offset points", fontsize=12, weight="bold"
    )
    axes.annotate(below, (0, 1), (0, 7), "axes fraction", "offset points", fontsize=10)
