"""The picture of how the codec works.

python -m experiments.report.codec_picture [FILE.png]

It codes the first layer of a network that was trained on digits, one of the sets of
`experiments.benchmarks.trained_levels`, and draws the block of it that has the most weights into
`docs/background/codec_picture.png`.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from experiments.report.plots.codec import Block, Coded, codec_figure
from experiments.report.plots.files import save
from experiments.report.records import ROOT
from jaxcomp.codec.adaptive import code_adaptive, lags_of
from jaxcomp.codec.choice import choose_scheme
from jaxcomp.codec.coder import PRECISION, Encoder
from jaxcomp.codec.scaled import slice_factors

PICTURE = ROOT / "docs" / "background" / "codec_picture.png"
_SET = ROOT / "experiments" / "benchmarks" / "levels" / "t13.npz"
_ARRAY = "layer_0/kernel/levels"  # 128 units, 64 pixels
_ROWS, _COLUMNS = 12, 16  # of the block


class _Watched(Encoder):
    """An encoder that keeps the probabilities of all bits."""

    def __init__(self) -> None:
        super().__init__()
        self.ones: list[np.ndarray] = []

    def bits(self, ones: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        self.ones.append(ones / (1 << PRECISION))
        return super().bits(ones, bits)


def main() -> None:
    """The command."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with np.load(_SET, allow_pickle=False) as archive:
        made = coded(archive[_ARRAY])
    save(codec_figure(made, block_of(made)), path)


def coded(levels: np.ndarray) -> Coded:
    """Return what coding an array of levels row by row comes to.

    Raises:
      ValueError: if another way makes it smaller.
    """
    bounds = int(levels.min()), int(levels.max())
    scheme = choose_scheme(levels, bounds, {})
    if scheme.settings is None:
        raise ValueError(f"the levels are not coded row by row, but by {scheme}")
    levels = levels.reshape(scheme.matrix_shape(levels.shape))
    levels = levels.T if scheme.transposed else levels
    encoder = _Watched()
    code_adaptive(encoder, levels.shape, bounds, scheme.settings, {}, levels)
    rows, columns = levels.any(axis=1), levels.any(axis=0)
    likely = np.zeros(levels.shape)
    # Each row asks first which of its levels are not zero. No later question is about as many.
    likely[np.ix_(rows, columns)] = [ones for ones in encoder.ones if len(ones) == columns.sum()]
    factors = slice_factors(levels, 0), slice_factors(levels, 1)
    period = scheme.settings.period
    return Coded(levels, lags_of(period), period, likely, factors, encoder.finish())


def block_of(made: Coded) -> Block:
    """Return the block with the most weights whose last row has one that others predict."""
    alive = np.flatnonzero(made.levels.any(axis=0))
    there = made.levels[:, alive] != 0
    counts = sliding_window_view(there, (_ROWS, _COLUMNS)).sum(axis=(2, 3))
    counts[~there.any(axis=1)[_ROWS - 1 :]] = 0
    counts[: len(counts) // 2] = 0  # there the model has learned little
    row, column = np.unravel_index(counts.argmax(), counts.shape)
    block = there[row : row + _ROWS, column : column + _COLUMNS]
    parents = sum(block[-1 - lag].astype(int) for lag in made.lags)
    mark = int(np.argmax(np.where(block[-1], parents, -1)))
    return Block(int(row), alive[column : column + _COLUMNS], _ROWS, mark)


if __name__ == "__main__":
    main()
