"""Histograms and curves over time show the numbers they are given."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

from jaxcomp.analysis.measures import measures
from jaxcomp.analysis.plots.evolution import measure_curves, weights_over_time


@pytest.fixture
def panels():
    figure, panels = plt.subplots(2)
    yield list(panels)
    plt.close(figure)


def _draw(panels, **changes):
    arguments = {
        "reference": {0: np.full((2, 3), 0.5), 10: np.full((2, 3), -0.5)},
        "weights": {0: np.linspace(-1, 1, 12).reshape(3, 4), 10: np.array([2.0, 0.0, 0.0])},
        "levels": {0: 0.25, 10: 2.0},
    }
    weights_over_time(panels, **(arguments | changes), labels=("without", "with"))


def _tops(patch):
    # The outline of a histogram, without the sides of its bins.
    heights = patch.get_xy()[:, 1]
    return heights[heights > 0].max()


def test_each_panel_has_the_histograms_of_its_step(panels):
    _draw(panels)
    # In each panel first the weights, then the reference: the highest bin of each.
    assert [[_tops(patch) for patch in axes.patches] for axes in panels] == [[1, 6], [2, 6]]
    assert {axes.get_yscale() for axes in panels} == {"log"}


def test_panels_share_limits_that_hold_every_weight_and_every_count(panels):
    _draw(panels)
    assert panels[0].get_xlim() == panels[1].get_xlim() == pytest.approx((-2.1, 2.1))
    assert panels[0].get_ylim() == panels[1].get_ylim() == (0.5, 12)


def test_the_level_of_each_step_is_marked_on_both_sides(panels):
    _draw(panels)
    places = [[line.get_xdata()[0] for line in axes.lines] for axes in panels]
    assert places == [[-0.25, 0.25], [-2.0, 2.0]]


def test_a_legend_names_each_thing_once(panels):
    _draw(panels)
    _, labels = panels[0].get_legend_handles_labels()
    assert sorted(labels) == ["ternary level c", "with", "without"]


def test_other_steps_are_an_error(panels):
    with pytest.raises(ValueError, match="same steps"):
        _draw(panels, levels={0: 0.25, 20: 2.0})


def test_another_number_of_panels_is_an_error(panels):
    with pytest.raises(ValueError, match="longer"):
        _draw(panels[:1])


def test_curves_are_the_measures_over_the_steps(panels):
    few, many = measures(jnp.array([1.0, 0.0, 0.0, 0.0])), measures(jnp.ones(4))
    runs = {"a": {0: many, 50: few}, "b": {0: many}}
    measure_curves(panels, runs, {"nonzeros": "non-zeros", "compressibility": "L"})
    assert [axes.get_title() for axes in panels] == ["non-zeros", "L"]
    drawn = [{line.get_label(): line.get_xydata().tolist() for line in a.lines} for a in panels]
    assert drawn == [
        {"a": [[0, 4], [50, 1]], "b": [[0, 4]]},
        {"a": [[0, 2], [50, 1]], "b": [[0, 2]]},
    ]


def test_curves_begin_at_zero_also_if_all_are_zero(panels):
    zeros = {0: measures(jnp.zeros(4)), 50: measures(jnp.zeros(4))}
    measure_curves(panels, {"a": zeros}, {"nonzeros": "non-zeros", "compressibility": "L"})
    assert all(axes.get_ylim()[0] == 0 < axes.get_ylim()[1] for axes in panels)


def test_more_runs_than_styles_are_an_error(panels):
    with pytest.raises(ValueError, match="6 runs"):
        measure_curves(panels, {name: {} for name in "abcdef"}, {"level": "c", "live": "live"})
