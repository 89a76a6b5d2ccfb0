"""Checks every statement of the theorem at many random points, as `jaxcomp verify` shows."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcomp.analysis import critical, theory
from jaxcomp.analysis.composite import composite_sides
from jaxcomp.trees import PyTree

BATCH = 500  # points at once, which bounds the memory of [n, n] matrices

# Each row has a statement, its residual and a tolerance. Rounding of derivatives in float64 stays
# below 1e-12; differences lose what their step costs, most at the smallest entries.
AT_ANY_POINT: tuple[tuple[str, theory.Residual, float], ...] = (
    ("1 <= L(w) <= sqrt(k)", theory.bounds, 1e-12),
    ("L(t w) = L(w)", theory.scale_freedom, 1e-12),
    ("<grad L(w), w> = 0", theory.radial_derivative, 1e-12),
    ("grad L = s/r - a w/r^3, by autodiff", theory.gradient_by_autodiff, 1e-12),
    ("grad L = s/r - a w/r^3, by differences", theory.gradient_by_differences, 1e-4),
    ("grad L is exactly 0 at exact zeros", theory.gradient_at_zeros, 0.0),
    ("leaving zero costs 1/r, to both sides", theory.slopes_off_support, 1e-6),
    ("distance to stationarity = max |1 - |w|/c|", theory.stationary_iff_ternary, 1e-12),
    ("ternary => stationary", theory.ternary_is_stationary, 1e-12),
    ("L = sqrt(k) at ternary vectors", theory.value_at_ternary, 1e-12),
    ("Hessian on the support, by autodiff", theory.hessian_by_autodiff, 1e-12),
    ("Hessian at ternary: (ss' - kI)/(c^2 k^1.5)", theory.hessian_at_ternary, 1e-12),
    ("its spectrum: 0 once, -1/(c^2 sqrt k) else", theory.hessian_spectrum_at_ternary, 1e-10),
)


class Row(NamedTuple):
    """Holds one line of the table."""

    statement: str
    worst: float  # largest residual over all points; NaN if one is NaN
    tolerance: float
    points: int

    @property
    def holds(self) -> bool:
        """Tell whether the worst residual is within the tolerance."""
        return self.worst <= self.tolerance


def verify(n: int = 64, starts: int = 10_000, seed: int = 0) -> Iterator[Row]:
    """Check every statement, one row at a time.

    Args:
      n: length of the vectors, at least 2.
      starts: number of random points, and of random starts of the searches for critical points.
      seed: seed of the points.

    Raises:
      ValueError: if `n` or `starts` is too small.
    """
    if n < 2 or starts < 1:
        raise ValueError(f"n must be at least 2 and starts at least 1, got n={n}, starts={starts}")
    return _rows(n, starts, seed)


def random_points(n: int, count: int, seed: int) -> np.ndarray:
    """Return vectors with 1 to `n` non-zeros, of every scale and tail; float64 [count, n]."""
    rng = np.random.default_rng(seed)
    light, heavy = rng.normal(size=(count, n)), rng.standard_t(2, size=(count, n))
    values = np.where(rng.random((count, 1)) < 0.5, light, heavy)
    scale = 10.0 ** rng.uniform(-6, 6, size=(count, 1))
    # A tenth of the points have a single non-zero, for which the theorem states something else.
    k = np.where(rng.random(count) < 0.1, 1, rng.integers(1, n + 1, size=count))
    place = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
    return np.where(place < k[:, None], scale * values, 0)


class LeastSquares(NamedTuple):
    """Holds random problems `1/2 ||A w - b||^2` with sparse solutions, and starts of descent."""

    matrix: np.ndarray  # float64 [count, 2 n, n]
    target: np.ndarray  # float64 [count, 2 n]
    start: np.ndarray  # float64 [count, n]


def random_least_squares(n: int, count: int, seed: int) -> LeastSquares:
    """Return well-conditioned problems with noise; half of the true entries are zero."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(count, 2 * n, n)) / np.sqrt(2 * n)
    truth = rng.normal(size=(count, n)) * (rng.random((count, n)) < 0.5)
    noise = 0.1 * rng.normal(size=(count, 2 * n))
    target = np.einsum("bij,bj->bi", matrix, truth) + noise
    return LeastSquares(matrix, target, rng.normal(size=(count, n)))


def _rows(n: int, starts: int, seed: int) -> Iterator[Row]:
    with jax.enable_x64(True):
        points = jnp.asarray(random_points(n, starts, seed))
    for statement, residual, tolerance in AT_ANY_POINT:
        yield _row(statement, _batched(residual, points), tolerance)
    yield from _critical_points_of_the_loss(points)
    yield from _critical_points_with_data(max(100, starts // 20), seed)


def _critical_points_of_the_loss(points: jax.Array) -> Iterator[Row]:
    k, n = np.count_nonzero(points, axis=1), points.shape[1]
    found = _batched(partial(critical.newton_on_support, steps=2), points)
    ternary = _batched(theory.distance_to_level, found)
    yield _row("stationary => ternary: Newton's end points", ternary, 1e-12)
    kind = _batched(critical.classify, found)
    wrong = (kind.negative != k - 1) | (kind.flat != 1) | (kind.is_saddle != ((k > 1) & (k < n)))
    yield _row("k >= 2: saddles of index k - 1; k = 1: minima", wrong, 0)
    end, _ = _batched(partial(critical.descend, rate=0.02, max_steps=20_000), points)
    left = np.count_nonzero(end, axis=1)
    moved = np.argmax(np.abs(end), axis=1) != np.argmax(np.abs(points), axis=1)
    yield _row("descent on L ends at one, the largest, entry", (left - 1) + moved, 0)


def _critical_points_with_data(count: int, seed: int) -> Iterator[Row]:
    strength = 0.3

    def solve(problem: LeastSquares) -> tuple[jax.Array, ...]:
        def data_term(w: jax.Array) -> jax.Array:
            return jnp.sum((problem.matrix @ w - problem.target) ** 2) / 2

        start = jnp.asarray(problem.start)
        identity = theory.composite_identity(start, data_term, strength)
        w, _ = critical.descend(start, data_term, strength, rate=0.1, max_steps=5_000)
        w = critical.newton_on_support(w, data_term, strength, steps=10)
        kind = critical.classify(w, data_term, strength)
        _, r, c = theory.norms(w)
        on, measured, predicted = composite_sides(w, jax.grad(data_term)(w), r, c, strength)
        residual = jnp.max(jnp.where(on, jnp.abs(measured - predicted), 0))
        excess = jnp.max(jnp.where(on, 0, jnp.maximum(predicted - 1, 0)))
        return identity, residual, excess, ~kind.is_minimum, kind.nonzeros

    with jax.enable_x64(True):
        problems = jax.tree.map(jnp.asarray, random_least_squares(16, count, seed))
    identity, on, off, not_minimum, k = _batched(solve, problems)
    yield _row("r s dF/strength = 1 - |w|/c + r s df/strength", identity, 1e-10)
    yield _row("at rest on S: |w|/c = 1 + r s df/strength", on, 1e-10)
    yield _row("at rest off S: |df| <= strength/r", off, 1e-10)
    yield _row("points at rest with a data term are minima", not_minimum, 0)
    # A problem may have a solution with a single non-zero, as a rare exception.
    yield Row("and most have k >= 2: share with k = 1", float(np.mean(k < 2)), 0.05, count)


def _batched(function: Callable, points: PyTree) -> PyTree:
    with jax.enable_x64(True):
        return jax.device_get(
            jax.jit(lambda points: jax.lax.map(function, points, batch_size=BATCH))(points)
        )


def _row(statement: str, residuals: np.ndarray, tolerance: float) -> Row:
    return Row(statement, float(np.max(residuals)), tolerance, len(residuals))
