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


def objective(operator, x, y, tau):
    return jnp.sum(jnp.square(x - y) / (2 * tau)) + operator.value(x)


def points(n, shape=(2, 2)):
    rng = np.random.default_rng(0)
    return [scale * rng.normal(size=shape) for scale in (0.5, 1.0, 3.0) for _ in range(n)]


def test_no_point_of_a_brute_force_search_is_better(operator, x64):
    """Against a grid over all of four weights, zero on it, and points near the result."""

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None, None))
    def value(x, y, tau):
        return jnp.sum(jnp.square(x - y)) / 2 + tau * operator.value(x)

    prox = jax.jit(operator.prox)
    fractions = np.linspace(0, 1.4, 15)
    grid = np.stack(np.meshgrid(*[fractions] * 4), axis=-1).reshape(-1, 2, 2)
    near = np.random.default_rng(1).normal(size=(1000, 2, 2))
    near *= 10 ** np.linspace(-4, -1, 1000)[:, None, None]
    for y in points(4):
        for tau in TAUS:
            x = np.asarray(prox(y, tau))
            best = float(value(x[None], y, tau)[0])
            others = np.concatenate([grid * y, x + near, (x + near) * (x != 0)])
            assert best <= float(value(others, y, tau).min()) + 1e-12


@pytest.mark.parametrize("tau", TAUS)
def test_gradient_of_the_envelope_is_what_the_prox_takes_away(operator, tau, x64):
    """`grad_y min_x |x - y|^2 / 2 + tau f(x) = y - prox(y)`, at points of one minimiser."""

    @jax.jit
    def envelope(y):
        return tau * objective(operator, operator.prox(y, tau), y, tau)

    for y in points(4):
        direction = np.random.default_rng(1).normal(size=y.shape)
        h = 1e-6
        slope = (envelope(y + h * direction) - envelope(y - h * direction)) / (2 * h)
        moved = y - np.asarray(operator.prox(jnp.array(y), tau))
        np.testing.assert_allclose(slope, np.sum(moved * direction), atol=FINITE_DIFFERENCE)


def test_no_weight_moves_nothing(operator):
    y = jnp.array(points(1)[2], jnp.float32)
    np.testing.assert_allclose(operator.prox(y, 0.0), y, rtol=1e-6)
    np.testing.assert_allclose(operator.prox(y, jnp.zeros_like(y)), y, rtol=1e-6)


def test_a_large_weight_gives_exact_zeros(operator):
    y = jnp.array(points(1)[1], jnp.float32)
    assert not operator.prox(y, 100.0).any()


def test_zeros_stay_zeros_and_signs_stay_signs(operator):
    y = jax.random.normal(jax.random.key(0), (4, 6)).at[:, 2].set(0).at[1].set(0)
    for tau in (0.05, jnp.full(y.shape, 0.05)):
        x = operator.prox(y, tau)
        assert jnp.isfinite(x).all()
        assert not x[y == 0].any()
        assert (x * y >= 0).all()
    assert not operator.prox(jnp.zeros((3, 3)), 0.1).any()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_types_are_kept(operator, dtype):
    y = jnp.array(points(1)[2], dtype)
    for tau in (0.3, jnp.full(y.shape, 0.3)):
        x = operator.prox(y, tau)
        assert x.dtype == dtype
        exact = operator.prox(y.astype(jnp.float32), 0.3 if jnp.ndim(tau) == 0 else tau)
        np.testing.assert_allclose(x.astype(jnp.float32), exact, rtol=2e-2)


@pytest.mark.parametrize("operator", [Soft(), Hard(), Group("unit"), Group("input")], ids=str)
def test_in_a_metric_no_point_near_is_better(operator, x64):
    rng = np.random.default_rng(2)
    for y in points(4, (3, 2)):
        tau = rng.uniform(0.1, 1.5, size=y.shape)
        x = np.asarray(operator.prox(jnp.array(y), jnp.array(tau)))
        best = objective(operator, x, y, tau)
        near = x + rng.normal(size=(1000, 3, 2)) * 10 ** rng.uniform(-4, 0, size=(1000, 1, 1))
        for others in (near, near * (x != 0), np.zeros((1, 3, 2))):
            found = jax.vmap(lambda o, y=y, tau=tau: objective(operator, o, y, tau))(others)
            assert best <= float(found.min()) + 1e-12


def test_an_even_metric_is_no_metric(operator, x64):
    y, tau = jnp.array(points(1)[2]), 1e-3
    x, even = operator.prox(y, tau), operator.prox(y, jnp.full(y.shape, tau))
    # That of the ratio is linearised: the difference is of second order in tau.
    np.testing.assert_allclose(x, even, rtol=1e-4 if operator == Ratio() else 1e-9)


RATIO_PROX = jax.jit(Ratio().prox)


@given(st.floats(0.01, 20.0), st.integers(0, 1000))
def test_the_ratio_s_prox_is_a_threshold_and_a_stretch(tau, seed):
    """`x_i = s_i (|y_i| - tau / r) / (1 - tau a / r^3)` on the support."""
    y = np.random.default_rng(seed).standard_normal(50).astype(np.float32)
    x = np.asarray(RATIO_PROX(y, tau), np.float64)
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
