"""The composite condition on trees: it holds where training has come to rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp import compressibility_tree
from jaxcomp.analysis.composite import CompositeCondition, agreement, composite_condition
from jaxcomp.analysis.critical import descend, newton_on_support


@pytest.fixture(params=["global", "tensor"])
def scope(request):
    return request.param


@pytest.mark.usefixtures("x64")
def test_it_holds_at_a_stationary_point_of_a_tree(scope):
    """A least-squares problem on two tensors, solved as one vector."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(40, 18))
    target = matrix @ (rng.normal(size=18) * (rng.random(18) < 0.5))
    weight = 3.0

    def tree(w):
        return {"a": {"kernel": w[:12].reshape(3, 4)}, "b": {"kernel": w[12:].reshape(2, 3)}}

    def data_term(w):
        return jnp.sum((matrix @ w - target) ** 2) / 2

    def objective_without_global(w):
        # `descend` adds the global loss; take it off again to train on the sum over tensors.
        extra = compressibility_tree(tree(w), scope=scope) - compressibility_tree(tree(w))
        return data_term(w) + weight * extra

    @jax.jit
    def rest(start):
        w, _ = descend(start, objective_without_global, weight, rate=0.005, max_steps=20_000)
        w = newton_on_support(w, objective_without_global, weight)
        return w, jax.grad(data_term)(w)

    w, gradient = map(np.asarray, rest(rng.normal(size=18)))
    result = agreement(composite_condition(tree(w), tree(gradient), weight, scope=scope))
    assert result.weights == 18
    assert result.on_support == int(jnp.sum(w != 0)) > 2
    assert result.worst_residual < 1e-9
    assert result.correlation > 1 - 1e-9


def test_without_a_pull_ternary_weights_obey_it_and_others_do_not(scope):
    ternary = {"a": {"kernel": jnp.array([[0.5, 0.0, -0.5]])}}
    zero = jax.tree.map(jnp.zeros_like, ternary)
    assert agreement(composite_condition(ternary, zero, 1.0, scope=scope)).worst_residual < 1e-6
    other = {"a": {"kernel": jnp.array([[0.5, 0.0, -0.1]])}}
    assert agreement(composite_condition(other, zero, 1.0, scope=scope)).worst_residual > 0.1


def test_off_the_support_the_pull_is_held_up_to_weight_over_r():
    params = {"kernel": jnp.array([[2.0, 0.0, 0.0]])}
    gradient = {"kernel": jnp.array([[0.0, 0.4, -0.6]])}
    condition = composite_condition(params, gradient, strength=1.0)  # strength / r = 0.5
    np.testing.assert_allclose(condition.predicted[1:], [0.8, 1.2], rtol=1e-6)
    assert agreement(condition).held == 0.5


def test_weights_near_zero_can_be_counted_as_zero():
    params = {"kernel": jnp.array([[1.0, 1.0, 0.001]])}
    gradient = jax.tree.map(jnp.zeros_like, params)
    assert composite_condition(params, gradient, 1.0).on_support.tolist() == [True, True, True]
    near = composite_condition(params, gradient, 1.0, zero=0.01)
    assert near.on_support.tolist() == [True, True, False]


def test_agreement_at_the_edges():
    one = CompositeCondition(np.array([True]), np.array([1.0]), np.array([1.5]))
    result = agreement(one)
    assert np.isnan(result.correlation)
    assert (result.worst_residual, result.median_residual, result.held) == (0.5, 0.5, 1.0)
    none = agreement(CompositeCondition(np.array([False]), np.zeros(1), np.zeros(1)))
    assert (none.worst_residual, none.median_residual, none.held) == (0.0, 0.0, 1.0)


def test_bad_arguments():
    params = {"kernel": jnp.ones((2, 2))}
    with pytest.raises(ValueError, match=r"greater than 0, got 0\.0"):
        composite_condition(params, params, 0.0)
    with pytest.raises(ValueError, match="'tensor', 'global'"):
        composite_condition(params, params, 1.0, scope="layer")
