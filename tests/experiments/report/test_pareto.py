"""The front of results that no other one beats."""

import numpy as np

from experiments.report.pareto import pareto_front
from experiments.report.plots.pareto import pareto_figure


def test_a_front_by_hand():
    costs = [(3, 1), (1, 3), (2, 2), (3, 3), (2, 2), (4, 1)]
    assert pareto_front(costs) == [1, 2, 4, 0]
    assert pareto_front([]) == []


def test_each_result_off_the_front_is_beaten_by_one_on_it():
    costs = np.random.default_rng(0).normal(size=(200, 2))
    front = pareto_front(costs)
    assert (np.diff(costs[front], axis=0) * [1, -1] > 0).all()
    for i in set(range(200)) - set(front):
        assert (costs[front] <= costs[i]).all(axis=1).any()


def test_a_figure_shows_all_points_and_their_front():
    figure = pareto_figure({"a": [(1, 2), (2, 1)], "b": [(3, 3), (4, 90)]})
    (axes,) = figure.axes
    a, b, front = (line.get_xydata().tolist() for line in axes.lines)
    assert (a, b, front) == ([[1, 2], [2, 1]], [[3, 3], [4, 90]], [[1, 2], [2, 1]])


def test_a_figure_shows_however_many_results_there_are():
    (axes,) = pareto_figure({str(i): [(i, 200 - i)] for i in range(200)}).axes
    assert len(axes.lines) == 200 + 1


def test_sixteen_results_differ_without_color():
    (axes,) = pareto_figure({str(i): [(i, 16 - i)] for i in range(16)}).axes
    looks = {(line.get_marker(), line.get_markerfacecolor() == "none") for line in axes.lines[:16]}
    assert len(looks) == 16


def test_a_single_result_is_named_and_has_no_front():
    figure = pareto_figure({"jaxcomp, digits": [(1, 2)]})
    (axes,) = figure.axes
    assert axes.get_title() == "jaxcomp, digits"
    assert [line.get_label() for line in axes.lines] == ["jaxcomp, digits"]
    assert not figure.legends
