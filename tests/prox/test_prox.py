"""Proximal operators, over the table of all: brute force, envelope identity, exact zeros."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.prox import PROXES, Group, Hard, Ratio, Soft
from tests.helpers import FINITE_DIFFERENCE

TAUS = (0.01, 0.3, 1.0, 4.0)


@pytest.fixture(params=PROXES)
def operator(request):
    return PROXES[request.param]


@partial(jax.jit, static_argnums=0)
def prox(operator, y, tau):
    return operator.prox(y, tau)


def objective(operator, x, y, tau):
    return jnp.sum(jnp.square(x - y) / (2 * tau)) + operator.value(x)


@partial(jax.jit, static_argnums=0)
def envelope(operator, y, tau):
    return tau * objective(operator, operator.prox(y, tau), y, tau)


@partial(jax.jit, static_argnums=0)
@partial(jax.vmap, in_axes=(None, 0, None, None))
def objectives(operator, x, y, tau):
    """At many points `x` at once."""
    return objective(operator, x, y, tau)


def points(n, shape=(2, 2)):
    rng = np.random.default_rng(0)
    return [scale * rng.normal(size=shape) for scale in (0.5, 1.0, 3.0) for _ in range(n)]


def test_no_point_of_a_brute_force_search_is_better(operator, x64):
    """Against a grid over all of four weights, zero on it, and points near the result."""
    fractions = np.linspace(0, 1.4, 15)
    grid = np.stack(np.meshgrid(*[fractions] * 4), axis=-1).reshape(-1, 2, 2)
    near = np.random.default_rng(1).normal(size=(1000, 2, 2))
    near *= 10 ** np.linspace(-4, -1, 1000)[:, None, None]
    for y in points(4):
        for tau in TAUS:
            x = np.asarray(prox(operator, y, tau))
            others = np.concatenate([x[None], grid * y, x + near, (x + near) * (x != 0)])
            found = tau * np.asarray(objectives(operator, others, y, tau))
            assert found[0] <= found.min() + 1e-12


@pytest.mark.parametrize("tau", TAUS)
def test_gradient_of_the_envelope_is_what_the_prox_takes_away(operator, tau, x64):
    """`grad_y min_x |x - y|^2 / 2 + tau f(x) = y - prox(y)`, at points of one minimizer."""
    for y in points(4):
        direction = np.random.default_rng(1).normal(size=y.shape)
        h = 1e-6
        up, down = (envelope(operator, y + step * direction, tau) for step in (h, -h))
        slope = (float(up) - float(down)) / (2 * h)
        moved = y - np.asarray(prox(operator, y, tau))
        np.testing.assert_allclose(slope, np.sum(moved * direction), atol=FINITE_DIFFERENCE)


def test_no_weight_moves_nothing(operator):
    y = jnp.array(points(1)[2], jnp.float32)
    np.testing.assert_array_equal(prox(operator, y, 0.0), y)  # also not by rounding
    np.testing.assert_allclose(prox(operator, y, jnp.zeros((2, 2))), y, rtol=1e-6)


def test_a_large_weight_gives_exact_zeros(operator):
    y = jnp.array(points(1)[1], jnp.float32)
    assert not np.asarray(prox(operator, y, 100.0)).any()


def test_zeros_stay_zeros_and_signs_stay_signs(operator):
    y = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    y[:, 2] = y[1] = 0
    for tau in (0.05, np.full(y.shape, 0.05, np.float32)):
        x = np.asarray(prox(operator, y, tau))
        assert np.isfinite(x).all()
        assert x.any()
        assert not x[y == 0].any()
        assert (x * y >= 0).all()
        assert not np.asarray(prox(operator, np.zeros_like(y), tau)).any()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_types_are_kept(operator, dtype):
    y = jnp.array(points(1)[2], dtype)
    for tau in (0.3, jnp.full(y.shape, 0.3)):
        x = prox(operator, y, tau)
        assert x.dtype == dtype
        exact = prox(operator, np.asarray(y, np.float32), tau)
        np.testing.assert_allclose(np.asarray(x, np.float32), exact, rtol=2e-2)


@pytest.mark.parametrize("operator", [Soft(), Hard(), Group("unit"), Group("input")], ids=str)
def test_in_a_metric_no_point_near_is_better(operator, x64):
    rng = np.random.default_rng(2)
    for y in points(4, (3, 2)):
        tau = rng.uniform(0.1, 1.5, size=y.shape)
        x = np.asarray(prox(operator, y, tau))
        near = x + rng.normal(size=(1000, 3, 2)) * 10 ** rng.uniform(-4, 0, size=(1000, 1, 1))
        others = np.concatenate([x[None], near, near * (x != 0), np.zeros((1, 3, 2))])
        found = np.asarray(objectives(operator, others, y, tau))
        assert found[0] <= found.min() + 1e-12


def test_an_even_metric_is_no_metric(operator, x64):
    y, tau = points(1)[2], 1e-3
    x, even = prox(operator, y, tau), prox(operator, y, np.full(y.shape, tau))
    # That of the ratio is linearized: the difference is of second order in tau.
    np.testing.assert_allclose(x, even, rtol=1e-4 if operator == Ratio() else 1e-9)


@given(st.floats(0.01, 20.0), st.integers(0, 1000))
def test_the_ratio_s_prox_is_a_threshold_and_a_stretch(tau, seed):
    """`x_i = s_i (|y_i| - tau / r) / (1 - tau a / r^3)` on the support."""
    y = np.random.default_rng(seed).standard_normal(50).astype(np.float32)
    x = np.asarray(prox(Ratio(), y, tau), np.float64)
    on = x != 0
    if on.sum() > 1:
        a, r = np.abs(x).sum(), np.linalg.norm(x)
        expected = np.sign(y) * (np.abs(y) - tau / r) / (1 - tau * a / r**3)
        np.testing.assert_allclose(x[on], expected[on], rtol=1e-3, atol=1e-4)
        assert (np.abs(y[~on]) <= tau / r * (1 + 1e-4)).all()


def test_the_ratio_s_prox_of_many_weights_is_one_step_of_descent(x64):
    y = jax.random.normal(jax.random.key(0), (100, 50), jnp.float64)
    tau = 1e-3
    slope = jax.grad(Ratio().value)(y)
    x = Ratio().prox(y, tau)
    np.testing.assert_allclose((y - x)[x != 0] / tau, slope[x != 0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_the_ratio_s_prox_of_small_and_large_weights(scale):
    y = jnp.array([3.0, -1.0, 0.1, 0.5])
    expected = Ratio().prox(y, 0.5)
    scaled = Ratio().prox(y * scale, jnp.float32(0.5 * scale) * jnp.float32(scale))
    np.testing.assert_allclose(scaled / scale, expected, rtol=1e-5)


def test_groups_need_axes():
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        Group("unit").prox(jnp.ones(3), 0.1)
    with pytest.raises(ValueError, match="unknown groups 'row'"):
        Group("row")
