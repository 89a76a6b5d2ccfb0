"""The pictures of the theorem show its numbers."""

import numpy as np

from jaxcomp.analysis.composite import CompositeCondition
from jaxcomp.analysis.plots.theorem import composite_scatter, convergence, descent_paths, slices
from tests.helpers import lines


def test_descent_paths_are_magnitudes_and_the_level(axes):
    path = np.array([[3.0, -4.0], [0.0, -5.0]])
    descent_paths(axes, path)
    np.testing.assert_array_equal(lines(axes)["largest at the end"][:, 1], [4, 5])
    np.testing.assert_array_equal(lines(axes)["the others"][:, 1], [3, 0])
    np.testing.assert_allclose(lines(axes)["ternary level c"][:, 1], [25 / 7, 5])


def test_slices_go_through_the_point_and_show_maximum_kink_and_scale(axes):
    w = np.array([1.0, 1.0, 0.0])
    directions = {"inside": [1.0, -1.0, 0.0], "leaves": [0.0, 0.0, 5.0], "scale": w}
    slices(axes, w, {label: np.array(d) for label, d in directions.items()})
    for label, best in (("inside", np.max), ("leaves", np.min)):
        x, y = lines(axes)[label].T
        np.testing.assert_allclose(y[x == 0], np.sqrt(2), rtol=1e-6)
        assert best(y) == y[np.abs(x).argmin()]
        assert np.ptp(y) > 0.05
    np.testing.assert_allclose(lines(axes)["scale"][:, 1], np.sqrt(2), rtol=1e-6)


def test_slices_are_drawn_in_however_many_directions(axes):
    directions = {str(number): np.array([1.0, number]) for number in range(5)}
    slices(axes, np.array([1.0, 2.0]), directions)
    assert {*directions} <= lines(axes).keys()


def test_only_the_support_is_scattered(axes):
    composite_scatter(
        axes,
        CompositeCondition(
            on_support=np.array([True, False, True]),
            measured=np.array([1.0, 0.0, 2.0]),
            predicted=np.array([1.1, 0.3, 1.9]),
        ),
    )
    (points,) = (line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(points.get_xydata(), [[1.1, 1.0], [1.9, 2.0]])


def test_convergence_has_a_point_for_each_look(axes):
    point = {"subgradient_norm": 1e-3, "worst_residual": 1e-2, "median_residual": 1e-4}
    convergence(axes, [[point, {**point, "subgradient_norm": 1e-6}], [point]])
    assert len(lines(axes)["worst"]) == len(lines(axes)["median"]) == 3
    assert axes.get_xscale() == axes.get_yscale() == "log"
