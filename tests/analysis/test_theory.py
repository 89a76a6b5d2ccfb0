"""The residuals of the theorem are zero where it holds, and not where it is broken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxcomp.analysis import theory
from jaxcomp.analysis.verify import AT_ANY_POINT, random_points
from jaxcomp.losses import compressibility
from tests.helpers import weights

STATEMENTS = [pytest.param(*row[1:], id=row[1].__name__) for row in AT_ANY_POINT]


COMPILED = {residual: jax.jit(residual) for _, residual, _ in AT_ANY_POINT}


@pytest.mark.parametrize(("residual", "tolerance"), STATEMENTS)
@given(w=weights(max_size=8))
def test_every_statement_holds_at_any_vector(residual, tolerance, w):
    with jax.enable_x64(True):
        assert float(COMPILED[residual](w.astype(np.float64))) <= tolerance


@pytest.mark.parametrize(("residual", "tolerance"), STATEMENTS)
def test_shapes_and_batches(residual, tolerance):
    points = random_points(12, 6, seed=0)
    with jax.enable_x64(True):
        batched = jax.jit(jax.vmap(residual))(jnp.asarray(points))
        each = [COMPILED[residual](point.reshape(3, 4)) for point in points]
    np.testing.assert_allclose(each, batched, rtol=0, atol=max(tolerance, 1e-15))
    # Also of arrays in float32, where 64-bit types are off.
    assert jax.eval_shape(residual, points[0].reshape(3, 4).astype(np.float32)).dtype == np.float64


SLOPES = "slopes_off_support"
PLANTED = [
    ("gradient_formula", lambda f, w: 1.01 * f(w), ["gradient_by_autodiff"]),
    ("gradient_formula", lambda f, w: 1.01 * f(w), ["gradient_by_differences"]),
    ("hessian_formula", lambda f, w: 1.01 * f(w), ["hessian_by_autodiff"]),
    (
        "ternary_like",
        lambda f, w: f(w) + 0.01 * w,
        ["ternary_is_stationary", "value_at_ternary", "hessian_spectrum_at_ternary"],
    ),
    (
        "compressibility",
        lambda f, w: 1.01 * f(w),
        ["value_at_ternary", "gradient_by_differences", "slopes_off_support", "hessian_at_ternary"],
    ),
    (
        "compressibility",
        lambda f, w: f(w) + 0.01 * jnp.tanh(jnp.sum(w * w)),
        ["scale_freedom", "radial_derivative", "stationary_iff_ternary"],
    ),
    ("compressibility", lambda f, w: f(w) - 1, ["bounds"]),
    ("compressibility", lambda f, w: f(w) + 1, ["bounds"]),
    ("compressibility", lambda f, w: f(w) + 0.01 * jnp.sign(jnp.sum(w)), ["scale_freedom"]),
    # Slopes off the support are wrong to one side only.
    ("compressibility", lambda f, w: f(w) + 0.01 * jnp.sum(jnp.maximum(w, 0)), [SLOPES]),
    ("compressibility", lambda f, w: f(w) + 0.01 * jnp.sum(jnp.minimum(w, 0)), [SLOPES]),
    # The derivative of `abs` that JAX defines at 0 is 1.
    ("compressibility", lambda f, w: f(w) + 0.01 * jnp.sum(jnp.abs(w)), ["gradient_at_zeros"]),
]


@pytest.mark.parametrize(("name", "wrong", "statements"), PLANTED)
def test_a_planted_error_of_one_percent_is_seen(monkeypatch, name, wrong, statements):
    right = getattr(theory, name)
    monkeypatch.setattr(theory, name, lambda w: wrong(right, w))
    w = np.array([0.1, -0.4, 0.3, 0.0, 0.2])
    tolerances = {residual.__name__: tolerance for _, residual, tolerance in AT_ANY_POINT}
    for statement in statements:
        # A new function: JAX has traced the one of the module with the right formula.
        residual = float(jax.jit(lambda w, name=statement: getattr(theory, name)(w))(w))
        assert residual > max(1e-6, 10 * tolerances[statement]), statement


def test_every_statement_has_a_planted_error():
    planted = {statement for *_, statements in PLANTED for statement in statements}
    assert planted == {residual.__name__ for _, residual, _ in AT_ANY_POINT}


def test_distances_are_zero_at_ternary_vectors_only():
    ternary, other = np.array([0.0, 2.0, -2.0, 2.0]), np.array([0.0, 2.0, -1.0, 2.0])
    for distance in (theory.distance_to_stationarity, theory.distance_to_level):
        assert float(distance(ternary)) < 1e-15
        assert float(distance(other)) > 0.1


def test_composite_identity_at_any_vector():
    with jax.enable_x64(True):
        for w in random_points(10, 20, seed=1):
            residual = theory.composite_identity(w, lambda w: jnp.sum(jnp.sin(w)), strength=0.2)
            assert float(residual) < 1e-9 * max(1, np.linalg.norm(w))


def test_a_planted_error_is_seen_in_the_composite_identity(monkeypatch):
    w = np.array([0.1, -0.4, 0.3, 0.0, 0.2])
    monkeypatch.setattr(theory, "compressibility", lambda w: 1.01 * compressibility(w))
    assert float(theory.composite_identity(w, lambda w: jnp.sum(jnp.sin(w)), strength=0.2)) > 1e-3
