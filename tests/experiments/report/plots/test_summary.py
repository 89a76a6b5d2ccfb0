"""The figure of a run at a glance shows its weights, bytes and accuracies."""

import numpy as np
import pytest

from experiments.report.plots.summary import Measured, summary_figure

MEASURED = Measured(240_000, 3_000, dense_accuracy=0.981, file_accuracy=0.97)


@pytest.fixture
def stages():
    rng = np.random.default_rng(0)
    dense = {"small/kernel": rng.normal(size=(6, 4)), "large/kernel": rng.normal(size=(50, 100))}
    penalized = {name: np.where(abs(w) > 1, w, 0.001) for name, w in dense.items()}
    compressed = {name: np.sign(w) * (abs(w) > 1) for name, w in dense.items()}
    return dense, penalized, compressed


def test_the_largest_layer_is_drawn_in_three_stages(stages):
    figure = summary_figure(*stages, MEASURED, "a run")
    blocks, histograms = figure.axes[:3], figure.axes[3:6]
    for axes, layers in zip(blocks, stages, strict=True):
        shown = axes.images[0].get_array()
        np.testing.assert_array_equal(shown, layers["large/kernel"][:32, :64])
    assert blocks[0].get_ylabel() == "32 x 64 weights\nof large"
    zeros = np.mean(stages[2]["large/kernel"] == 0)
    assert f"{100 * zeros:.0f} % of weights are near zero" in blocks[1].get_title()
    assert "3 values" in blocks[2].get_title()
    assert f"{100 * zeros:.0f} % of weights are zero" in blocks[2].get_title()
    assert sum(bar.get_height() for bar in histograms[0].patches) == 5_000
    values, counts = np.unique(stages[2]["large/kernel"], return_counts=True)
    points = histograms[2].lines[0].get_xydata()
    np.testing.assert_array_equal(points, np.stack([values, counts], axis=1))


def test_bars_are_as_long_as_the_files_are_large(stages):
    axes = summary_figure(*stages, MEASURED, "a run").axes[-1]
    assert [bar.get_width() for bar in axes.patches] == [240_000, 3_000]
    before, after = (text.get_text() for text in axes.texts)
    assert "240,000 bytes" in before
    assert "98.1 %" in before
    assert "3,000 bytes, 80 times smaller" in after
    assert "97.0 %" in after


def test_a_layer_of_another_shape_and_one_that_is_pruned_away_are_drawn():
    filters = {"Conv_0/kernel": np.ones((3, 3, 2, 5))}
    narrow = {"Conv_0/kernel": np.zeros((3, 3, 2, 4))}
    figure = summary_figure(filters, narrow, narrow, MEASURED, "a run")
    shapes = [axes.images[0].get_array().shape for axes in figure.axes[:3]]
    assert shapes == [(18, 5), (18, 4), (18, 4)]
    figure.canvas.draw()
