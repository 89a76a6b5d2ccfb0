"""Local minima to the last digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.analysis.critical import classify
from jaxcomp.analysis.minimize import minimize, subgradient_norm
from tests.helpers import IDENTITY_X64

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def least_squares():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(40, 20))
    target = matrix @ (rng.normal(size=20) * (rng.random(20) < 0.5))
    return lambda w: jnp.mean((matrix @ w - target) ** 2) / 2


def test_ends_at_a_minimum(least_squares):
    start = np.random.default_rng(1).normal(size=20)
    path = list(minimize(start, least_squares, 0.1, rate=0.1))
    left = jax.jit(jax.vmap(lambda w: subgradient_norm(w, least_squares, 0.1)))(np.stack(path))
    assert left[-1] < 1e-10
    assert len(left) >= 2
    kind = jax.jit(lambda w: classify(w, least_squares, 0.1))(path[-1])
    assert bool(kind.is_minimum)
    assert 1 < int(kind.nonzeros) < 20


def test_the_shortest_subgradient_knows_the_kinks():
    def data_term(w):
        return jnp.vdot(jnp.array([0.0, 0.3, 0.7]), w)

    w = jnp.array([2.0, 0.0, 0.0])  # weight / r = 0.5: the second entry is held, the third not
    np.testing.assert_allclose(subgradient_norm(w, data_term, 1.0), 0.2, rtol=IDENTITY_X64)


def test_what_it_cannot_reach_is_an_error(least_squares):
    path = minimize(jnp.ones(20), least_squares, 0.1, rate=1e-9, descent_steps=1, rounds=1)
    with pytest.raises(RuntimeError, match=r"still has length .* after 1 rounds: lower the rate"):
        list(jax.device_get(w) for w in path)
