"""Figures show the numbers they are given."""

import numpy as np

from experiments.report.plots.compression import (
    compression_figure,
    curves,
    small_weight_bars,
    weight_histogram,
)


def test_each_value_of_the_compressed_weights_is_a_point_at_its_count(axes):
    compressed = np.array([0.0] * 7 + [0.5] * 2 + [-0.5])
    noise = np.linspace(-1, 1, 10)
    weight_histogram(axes, noise, noise, compressed)
    (points,) = (line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_xydata(), [[-0.5, 1], [0.0, 7], [0.5, 2]])


def test_bars_are_shares_below_a_tenth_of_the_level(axes):
    # c is close to 1: the single small weight and the five zeros are below c / 10.
    small_weight_bars(axes, {"one": {"a": np.array([1.0] * 4 + [0.01] + [0.0] * 5)}})
    assert [bar.get_height() for bar in axes.patches] == [60.0]


def test_curves_are_split_by_phase(axes):
    history = [
        {"phase": "dense", "step": 5, "penalty": 1.0},
        {"phase": "dense", "step": 10, "penalty": 2.0},
        {"phase": "quantize", "step": 5, "penalty": 3.0},
    ]
    curves(axes, history, "penalty")
    assert {line.get_label(): line.get_xydata().tolist() for line in axes.lines} == {
        "dense": [[5, 1], [10, 2]],
        "quantize": [[5, 3]],
    }
    # A line through a single point would not be seen.
    assert [line.get_marker() for line in axes.lines] == ["None", "o"]


def test_the_whole_figure_has_a_histogram_for_each_layer():
    rng = np.random.default_rng(0)
    layers = {f"Dense_{i}/kernel": rng.normal(size=(6, 4)) for i in range(3)}
    ternary = {name: np.sign(w) * (abs(w) > 0.7) for name, w in layers.items()}
    point = {"phase": "penalty", "step": 1, "penalty": 0.5, "validation_accuracy": 0.9}
    figure = compression_figure(layers, layers, ternary, [point])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["Dense_0, 6 x 4", "Dense_1, 6 x 4", "Dense_2, 6 x 4"]
    assert len(figure.axes) == 3 + 3


def test_of_many_layers_the_largest_have_histograms_and_bars_no_names():
    rng = np.random.default_rng(0)
    layers = {f"Conv_{i}/kernel": rng.normal(size=(6, 4 + i % 5)) for i in range(13)}
    figure = compression_figure(layers, layers, {n: np.sign(w) for n, w in layers.items()}, [])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:4] == ["Conv_3, 6 x 7", "Conv_4, 6 x 8", "Conv_8, 6 x 7", "Conv_9, 6 x 8"]
    assert figure.axes[4].get_xlabel() == "layer, in the order of names"
    assert len(figure.axes[4].patches) == 3 * 13
    assert all(place.is_integer() for place in figure.axes[4].get_xticks())


def test_phases_that_are_not_known_have_styles_of_their_own(axes):
    phases = ["dense", "a new one", "penalty", "another"]
    history = [{"phase": p, "step": s, "penalty": s} for p in phases for s in (1, 2)]
    curves(axes, history, "penalty")
    assert [line.get_label() for line in axes.lines] == phases
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == len(phases)


def test_all_phases_of_a_run_differ_without_color(axes):
    phases = ["dense", "penalty", "fine-tune", "gap", "quantize", "settle"]
    history = [{"phase": p, "step": s, "penalty": s} for p in phases for s in (1, 2)]
    curves(axes, history, "penalty")
    assert [line.get_label() for line in axes.lines] == phases
    # The private attribute has the lengths of dashes, which the public one does not.
    assert len({str(line._unscaled_dash_pattern) for line in axes.lines}) == len(phases)


def test_more_stages_than_colors_are_drawn(axes):
    stages = {str(number): {"a": np.ones(3)} for number in range(7)}
    small_weight_bars(axes, stages)
    assert len(axes.patches) == 7


def test_a_layer_that_is_pruned_away_is_small_as_a_whole(axes):
    small_weight_bars(axes, {"one": {"a": np.zeros(5)}})
    assert [bar.get_height() for bar in axes.patches] == [100.0]
