"""The pictures of the loss show its values, its gradient and the ternary directions."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.quiver import Quiver

from jaxcomp.analysis.plots import geometry
from jaxcomp.analysis.plots.geometry import (
    level_sets_in_octant,
    level_sets_in_plane,
    level_sets_on_sphere,
    loss_on_circle,
    push_on_entries,
    ternary_directions,
)
from jaxcomp.losses import compressibility
from tests.helpers import lines


@pytest.fixture
def globe():
    figure, axes = plt.subplots(subplot_kw={"projection": "mollweide"})
    yield axes
    plt.close(figure)


def sorted_rows(points):
    return np.array(sorted(np.round(points, 6).tolist()))


def assert_levels(contours, n):
    levels = contours.levels**2
    np.testing.assert_allclose([levels[0], levels[-1]], [1, n], atol=1e-3)
    np.testing.assert_allclose(np.diff(levels), (n - 1) / 8, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_ternary_directions_are_all_that_have_equal_magnitudes(n):
    found = ternary_directions(n)
    assert len(np.unique(found, axis=0)) == len(found) == 3**n - 1
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    for w in found:
        magnitudes = np.abs(w[w != 0])
        np.testing.assert_array_equal(magnitudes, magnitudes[0])
        np.testing.assert_allclose(compressibility(w), np.sqrt(magnitudes.size), rtol=1e-6)


def test_circle_is_marked_every_45_degrees_at_the_roots_of_1_and_2(axes):
    loss_on_circle(axes)
    curve = axes.lines[0].get_xydata()
    around = np.radians(curve[:, 0])
    expected = np.abs(np.cos(around)) + np.abs(np.sin(around))
    np.testing.assert_allclose(curve[:, 1], expected, rtol=1e-6)
    one, two = (sorted_rows(lines(axes)[f"k = {k}"]) for k in (1, 2))
    np.testing.assert_allclose(one, [[d, 1] for d in (0, 90, 180, 270)], atol=1e-4)
    np.testing.assert_allclose(two, [[d, 2**0.5] for d in (45, 135, 225, 315)], atol=1e-4)


def test_plane_marks_the_unit_circle_and_its_arrows_go_down_across_the_rays(axes):
    assert_levels(level_sets_in_plane(axes), 2)
    marks = np.concatenate([lines(axes)[f"k = {k}"] for k in (1, 2)])
    np.testing.assert_allclose(sorted_rows(marks), sorted_rows(ternary_directions(2)))

    (arrows,) = (artist for artist in axes.collections if isinstance(artist, Quiver))
    starts, steps = arrows.get_offsets(), np.stack([arrows.U, arrows.V], axis=1)
    np.testing.assert_allclose(np.sum(starts * steps, axis=1), 0, atol=1e-6)
    share = np.sort(np.abs(starts), axis=1) / np.linalg.norm(starts, axis=1, keepdims=True)
    np.testing.assert_allclose(
        np.linalg.norm(steps, axis=1), 0.75 * (share[:, 1] - share[:, 0]), rtol=1e-5
    )
    for start, step in zip(starts, steps, strict=True):
        assert compressibility(start + 0.1 * step) < compressibility(start)


def test_sphere_marks_26_directions_at_their_longitude_and_latitude(globe):
    assert_levels(level_sets_on_sphere(globe), 3)
    marks = {k: lines(globe)[f"k = {k}"] for k in (1, 2, 3)}
    assert {k: len(points) for k, points in marks.items()} == {1: 6, 2: 12, 3: 8}
    for k, points in marks.items():
        east, north = points[:, 0] + np.pi / 8, points[:, 1]
        w = np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
        # Not the loss, whose kinks would see the rounding of zeros.
        assert np.all(np.sum(np.abs(w) > 1e-6, axis=0) == k)
        np.testing.assert_allclose(np.max(np.abs(w), axis=0), k**-0.5)


def test_octant_shows_shares_of_magnitudes_and_where_a_path_starts(axes):
    path = np.array([[-1.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
    assert_levels(level_sets_in_octant(axes, [path]), 3)
    top = [0.5, 3**0.5 / 2]
    np.testing.assert_allclose(lines(axes)["descent"], [[0.5, 0.0], top], atol=1e-12)
    dots = [line for line in axes.lines if line.get_marker() == "o" and line.get_markersize() == 6]
    np.testing.assert_allclose([dot.get_xydata() for dot in dots], [[[0.5, 0.0]]], atol=1e-12)
    corners, middles, center = (sorted_rows(lines(axes)[f"k = {k}"]) for k in (1, 2, 3))
    np.testing.assert_allclose(corners, [[0, 0], top, [1, 0]], atol=1e-6)
    np.testing.assert_allclose(
        middles, [[0.25, top[1] / 2], [0.5, 0], [0.75, top[1] / 2]], atol=1e-6
    )
    np.testing.assert_allclose(center, [[0.5, top[1] / 3]], atol=1e-6)


def test_push_is_on_the_line_at_any_scale_and_zero_at_exact_zeros(axes):
    w = np.array([0.0, 1.0, -2.0, 3.0])  # c = 14 / 6
    push_on_entries(axes, {"small": 1e-6 * w, "large": -1e6 * w})
    for label in ("small", "large"):
        multiple, push = lines(axes)[label].T
        np.testing.assert_allclose(multiple, np.abs(w) * 6 / 14, rtol=1e-5)
        np.testing.assert_allclose(push, np.where(w == 0, 0, multiple - 1), atol=1e-5)
    x, y = lines(axes)["$|w_i|/c - 1$"].T
    np.testing.assert_array_equal(y, x - 1)


def test_a_push_on_an_exact_zero_would_be_seen(axes, monkeypatch):
    monkeypatch.setattr(geometry, "compressibility", lambda w: jnp.sum(w))  # slopes of one
    push_on_entries(axes, {"w": np.array([0.0, 3.0, -4.0])})
    np.testing.assert_allclose(lines(axes)["w"][:, 1], [-5, -5, 5], rtol=1e-6)


def test_every_vector_is_drawn_however_many_there_are(axes):
    vectors = {str(i): np.array([1.0, 2.0 + i]) for i in range(5)}
    push_on_entries(axes, vectors)
    assert vectors.keys() <= lines(axes).keys()
