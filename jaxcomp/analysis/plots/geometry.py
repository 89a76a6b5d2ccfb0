"""The loss in two and three dimensions: level sets, descent, and the ternary directions."""

from collections.abc import Mapping, Sequence
from itertools import cycle, product

import jax
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.contour import ContourSet

from jaxcomp.analysis.plots.colors import BLACK, BLUE, GREEN, ORANGE, VERMILLION
from jaxcomp.losses import compressibility, ternary_level

# Half cividis and half white: dark lines and arrows stay readable on it, also in gray.
_MAP = ListedColormap(0.5 + 0.5 * colormaps["cividis"](np.linspace(0, 1, 256)))
_MARKERS = {1: ("o", BLUE), 2: ("D", VERMILLION), 3: ("s", GREEN)}  # by number of non-zeros
_TURN = np.exp(-1j * np.pi / 8)  # so that no ternary direction lies on the seam of the map
_CORNERS = np.array([0, 1, np.exp(1j * np.pi / 3)])  # of the triangle of three weights


def ternary_directions(n: int) -> np.ndarray:
    """All ternary vectors of `n` entries and norm 1, [3^n - 1, n]."""
    ternary = np.array([signs for signs in product((-1.0, 0.0, 1.0), repeat=n) if any(signs)])
    return ternary / np.linalg.norm(ternary, axis=1, keepdims=True)


def loss_on_circle(axes: Axes) -> None:
    """The loss of two weights over one turn of their direction, ternary directions marked."""
    degrees = np.linspace(-22.5, 337.5, 721)
    circle = np.exp(1j * np.radians(degrees))
    axes.plot(degrees, _losses(np.stack([circle.real, circle.imag], axis=-1)), color=BLACK)
    for ternary in _by_nonzeros(2):
        around = np.degrees(np.arctan2(ternary[:, 1], ternary[:, 0])) % 360
        _mark(axes, ternary, around, _losses(ternary))
    axes.set_xticks(range(0, 316, 45))
    axes.set_yticks(np.sqrt([1, 2]), ["1", r"$\sqrt{2}$"])
    axes.set_ylim(0.93, 1.49)
    axes.grid(alpha=0.4)
    axes.set_xlabel("direction of $(w_1, w_2)$, degrees")
    axes.set_ylabel("L")


def level_sets_in_plane(axes: Axes) -> ContourSet:
    r"""The loss of two weights with its level sets, steepest descent and the ternary directions.

    Arrows show minus the gradient times :math:`\|w\|_2`, which has the same length on all circles;
    they are drawn at three quarters of that length. The marks are on the unit circle (dashed).

    Args:
      axes: where to draw.

    Returns:
      The level sets, for a color bar.
    """
    rays = np.exp(1j * np.linspace(0, 2 * np.pi, 361))
    disc = rays[:, None] * np.array([0.02, 3.6])
    levels = _contours(axes, disc.real, disc.imag, np.stack([disc.real, disc.imag], axis=-1))
    axes.plot(rays.real, rays.imag, "--", color=BLACK, linewidth=1)

    directions = np.add.outer([0, 90, 180, 270], [20, 35, 55, 70])
    starts = np.outer([1.4, 2.0, 2.6, 3.2], np.exp(1j * np.radians(directions))).ravel()
    points = np.stack([starts.real, starts.imag], axis=-1)
    steps = -0.75 * np.asarray(jax.vmap(jax.grad(compressibility))(points))
    steps *= np.linalg.norm(points, axis=1, keepdims=True)
    look = {"width": 0.006, "headwidth": 4, "headlength": 4, "headaxislength": 3.5}
    axes.quiver(*points.T, *steps.T, angles="xy", scale_units="xy", scale=1, **look)
    for ternary in _by_nonzeros(2):
        _mark(axes, ternary, *ternary.T)
    axes.set_aspect("equal")
    axes.set_xlabel("$w_1$")
    axes.set_ylabel("$w_2$", labelpad=-4)
    return levels


def level_sets_on_sphere(axes: Axes) -> ContourSet:
    """The loss of three weights on a map of the whole sphere, with its 26 ternary directions.

    Thin lines are where a weight is zero; the octant of positive weights has a thick outline.

    Args:
      axes: where to draw, with an equal-area projection: `mollweide` or `hammer`.

    Returns:
      The level sets, for a color bar.
    """
    east, north = np.linspace(-np.pi, np.pi, 361), np.linspace(-np.pi / 2, np.pi / 2, 181)
    east, north = np.meshgrid(east, north)
    level = np.cos(north) * np.exp(1j * east) / _TURN
    points = np.stack([level.real, level.imag, np.sin(north)], axis=-1)
    levels = _contours(axes, east, north, points)
    for entry in np.moveaxis(points, -1, 0):
        axes.contour(east, north, entry, [0.0], colors=BLACK, linewidths=0.8)
    axes.contour(east, north, points.min(axis=-1), [0.0], colors=BLACK, linewidths=2.4)
    for ternary in _by_nonzeros(3):
        turned = (ternary[:, 0] + 1j * ternary[:, 1]) * _TURN
        _mark(axes, ternary, np.angle(turned), np.arcsin(ternary[:, 2]))
    axes.set_xticks([])
    axes.set_yticks([])
    return levels


def level_sets_in_octant(axes: Axes, paths: Sequence[np.ndarray] = ()) -> ContourSet:
    r"""The loss of three weights on the triangle of their shares, :math:`|w| / \|w\|_1`.

    Level sets are circles around its center, since `L` is the inverse of the length of the shares.

    Args:
      axes: where to draw.
      paths: ways of descent, [steps, 3] each, drawn with a dot at their start.

    Returns:
      The level sets, for a color bar.
    """
    down, across = np.meshgrid(np.linspace(0, 1, 161), np.linspace(0, 1, 161))
    shares = np.stack([down * (1 - across), down * across, 1 - down], axis=-1)
    levels = _contours(axes, *_in_triangle(shares), shares)
    axes.plot(*_in_triangle(np.eye(3)[[0, 1, 2, 0]]), color=BLACK, linewidth=1)
    for path in paths:
        axes.plot(*_in_triangle(path), color=BLUE, linewidth=3.5, label="descent", clip_on=False)
        axes.plot(*_in_triangle(path[:1]), "o", color=BLACK, markersize=6)
    for ternary in _by_nonzeros(3):
        ternary = ternary[(ternary >= 0).all(axis=1)]
        _mark(axes, ternary, *_in_triangle(ternary))
    for number, (x, y) in enumerate(_in_triangle(np.eye(3)).T, start=1):
        outside = 0.08 if y > 0 else -0.08
        axes.text(x, y + outside, f"only $w_{number}$", ha="center", va="center")
    axes.set_aspect("equal")
    axes.set_axis_off()
    return levels


def push_on_entries(axes: Axes, vectors: Mapping[str, np.ndarray]) -> None:
    r"""How descent pushes each entry away from zero, against its magnitude as a multiple of `c`.

    The push is minus the derivative of `L` to the magnitude, by automatic differentiation, times
    :math:`\|w\|_2`. The line is the formula, :math:`|w_i| / c - 1`, and its limit at zero.

    Args:
      axes: where to draw.
      vectors: by label, [n] each; after three the looks repeat.
    """
    looks = ((BLUE, "o", 11), (VERMILLION, "^", 6), (ORANGE, "s", 6))
    furthest = 0.0
    for (label, w), (color, marker, size) in zip(vectors.items(), cycle(looks), strict=False):
        slopes = np.asarray(jax.grad(compressibility)(w)) * np.linalg.norm(w)
        push = np.where(w == 0, -np.abs(slopes), -np.sign(w) * slopes)
        multiple = np.abs(w) / float(ternary_level(w))
        axes.plot(multiple, push, marker, color=color, mec=BLACK, ms=size, label=label)
        furthest = max(furthest, 1.1 * multiple.max())
    axes.plot([0, furthest], [-1, furthest - 1], color=BLACK, zorder=1, label="$|w_i|/c - 1$")
    axes.plot([0], [-1], "o", color=BLACK, mfc="white")
    axes.axhline(0, color=BLACK, linewidth=0.8)
    axes.axvline(1, color=BLACK, linewidth=0.8, linestyle="--")
    axes.text(0.55, -1.1, "below c:\npushed to zero", ha="center", va="top")
    axes.text((1 + furthest) / 2, -1.1, "above c:\npushed up", ha="center", va="top")
    axes.set_ylim(-1.6, furthest)
    axes.set_xlabel("magnitude of the entry / c")
    axes.set_ylabel("push away from zero")
    axes.legend(loc="upper left")


def _losses(points: np.ndarray) -> np.ndarray:
    """The loss of each vector along the last axis."""
    values = jax.vmap(compressibility)(points.reshape(-1, points.shape[-1]))
    return np.asarray(values).reshape(points.shape[:-1])


def _by_nonzeros(n: int) -> list[np.ndarray]:
    """The ternary directions of 1, 2, ..., n non-zeros, [number of them, n] each."""
    ternary = ternary_directions(n)
    return [ternary[np.count_nonzero(ternary, axis=1) == k] for k in range(1, n + 1)]


def _mark(axes: Axes, ternary: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Marks, at `x` and `y`, with the number of non-zeros that the `ternary` vectors have."""
    k = np.count_nonzero(ternary[0])
    marker, color = _MARKERS[k]
    common = {"linestyle": "", "clip_on": False, "zorder": 5}
    look = {"marker": marker, "color": color, "mfc": "white", "mew": 1.8, "ms": 15}
    axes.plot(x, y, label=f"k = {k}", **look, **common)
    axes.plot(x, y, marker=f"${k}$", color=BLACK, mew=0.2, ms=8, **common)


def _contours(axes: Axes, x: np.ndarray, y: np.ndarray, points: np.ndarray) -> ContourSet:
    """Level sets at equal steps of `L^2`, of the points [..., n] that are drawn at `x` and `y`."""
    n = points.shape[-1]
    levels = np.sqrt(np.linspace(1, n, 9))
    levels[[0, -1]] += -1e-4, 1e-4  # rounding must not leave holes at the extremes
    losses = _losses(points)
    axes.contour(x, y, losses, levels[1:-1], colors=BLACK, linewidths=0.4, alpha=0.6)
    return axes.contourf(x, y, losses, levels, cmap=_MAP)


def _in_triangle(w: np.ndarray) -> np.ndarray:
    """Return where the vectors [..., 3] are in the triangle, [2, ...]."""
    place = np.abs(w) @ _CORNERS / np.sum(np.abs(w), axis=-1)
    return np.stack([place.real, place.imag])
