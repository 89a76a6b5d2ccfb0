"""What every penalty owes its users, over the table of all of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxcomp.losses import GROUPS, PENALTIES, SCOPES, penalty_tree
from tests.helpers import FINITE_DIFFERENCE, IDENTITY, sharded, small_params

# f(t w) = t^degree f(w); None where there is no such degree.
DEGREES = {
    "l1_over_l2": 0,
    "hoyer_square": 0,
    "normalized_hoyer": 0,
    "ternary_gap": 0,
    "l1": 1,
    "l2": 2,
    "transformed_l1": None,
    "l0_hard_concrete": None,
}
OF_GATES = ("l0_hard_concrete",)  # these see signs, and zero is an ordinary value of theirs
OF_WEIGHTS = [name for name in PENALTIES if name not in OF_GATES]
W = np.array([[0.5, -1.25, 0.0], [2.0, 0.0, -0.75]], np.float32)


def test_the_degrees_are_those_of_all_penalties():
    assert DEGREES.keys() == PENALTIES.keys()


@pytest.fixture(params=PENALTIES)
def name(request):
    return request.param


@pytest.fixture(params=OF_WEIGHTS)
def of_weights(request):
    return request.param


@partial(jax.jit, static_argnums=0)
def value(name, arrays):
    return PENALTIES[name].of(arrays)


@partial(jax.jit, static_argnums=0)
def value_and_gradient(name, w):
    return jax.value_and_grad(lambda w: PENALTIES[name].of([w]))(w)


@partial(jax.jit, static_argnums=1, static_argnames=("scope", "groups"))
def of_tree(params, name, **options):
    return penalty_tree(params, name, **options)


def test_a_vector_in_parts_is_the_same_vector(name):
    np.testing.assert_allclose(value(name, [W[:, :1], W[:, 1:]]), value(name, [W]), rtol=IDENTITY)


def test_gradient_is_that_of_finite_differences(name, x64):
    w = jnp.asarray(np.random.default_rng(0).normal(size=(7, 5)))
    check_grads(lambda w: value(name, [w]), (w,), 1, atol=FINITE_DIFFERENCE, rtol=FINITE_DIFFERENCE)


@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_scale(name, scale):
    if DEGREES[name] is not None:
        scaled = value(name, [np.float32(scale) * W])
        expected = scale ** DEGREES[name] * value(name, [W])
        np.testing.assert_allclose(scaled, expected, rtol=10 * IDENTITY)


def test_signs_and_order_do_not_matter(of_weights):
    np.testing.assert_allclose(value(of_weights, [-W[::-1]]), value(of_weights, [W]), rtol=IDENTITY)


def test_exact_zeros_are_left_alone(of_weights):
    _, gradient = value_and_gradient(of_weights, W)
    np.testing.assert_array_equal(np.asarray(gradient) == 0, W == 0)


def test_the_zero_vector_costs_nothing_and_has_no_gradient(of_weights):
    cost, gradient = value_and_gradient(of_weights, np.zeros_like(W))
    assert cost == 0
    assert not np.asarray(gradient).any()


def test_zero_weights_cost_nothing_more(of_weights):
    # Of the normalized one it is the number of entries that matters, by definition.
    if of_weights != "normalized_hoyer":
        padded, plain = value(of_weights, [np.pad(W, 3)]), value(of_weights, [W])
        np.testing.assert_allclose(padded, plain, rtol=10 * IDENTITY)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_types_are_accumulated_in_float32(name, dtype):
    w = np.full((100, 100), 0.5, np.float32)
    w[:50] = 1
    narrow = value(name, [w.astype(dtype)])
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, value(name, [w]), rtol=1e-5)


def test_extreme_weights_of_scale_free_penalties_are_finite(name):
    if DEGREES[name] == 0:
        for scale in (1e-30, 1e30):
            cost, gradient = value_and_gradient(name, W * np.float32(scale))
            np.testing.assert_allclose(cost, value(name, [W]), rtol=1e-5)
            assert np.isfinite(gradient).all()


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_arrange_the_weights(of_weights, scope):
    params = small_params()
    kernels = [np.asarray(layer["kernel"]) for layer in params.values()]
    vectors = {
        "global": [kernels],
        "tensor": [[kernel] for kernel in kernels],
        "unit": [[column] for kernel in kernels for column in kernel.T],
    }
    expected = sum(float(value(of_weights, vector)) for vector in vectors[scope])
    got = of_tree(params, of_weights, scope=scope)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_groups_give_the_penalty_of_their_norms(name, groups):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
    axes = {"unit": (0, 1, 2), "input": (0, 1, 3), "filter": (0, 1)}[groups]
    norms = np.sqrt((kernel**2).sum(axes))
    got = of_tree({"kernel": kernel}, name, groups=groups)
    np.testing.assert_allclose(got, value(name, [norms]), rtol=1e-5)


@pytest.mark.parametrize("groups", GROUPS)
def test_groups_of_zeros_get_no_gradient(groups):
    kernel = np.ones((2, 4, 5), np.float32)
    kernel[:, 1] = kernel[:, :, 2] = 0
    gradient = np.asarray(
        jax.grad(lambda k: of_tree({"kernel": k}, "l1_over_l2", groups=groups))(kernel)
    )
    assert np.isfinite(gradient).all()
    assert not gradient[:, 1].any()
    assert not gradient[:, :, 2].any()


def test_sharded_weights_give_the_same_value_and_gradient(name):
    params = {"kernel": np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)}
    value_and_grad = jax.jit(jax.value_and_grad(lambda p: penalty_tree(p, name, mask=True)))
    for one, other in zip(
        jax.tree.leaves(value_and_grad(params)),
        jax.tree.leaves(value_and_grad(sharded(params))),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_what_is_not_a_penalty_is_refused():
    with pytest.raises(ValueError, match=r"unknown penalty 'l3'.*'l1_over_l2', 'hoyer_square'"):
        penalty_tree(small_params(), "l3")
    with pytest.raises(TypeError, match="a name or a function, got 3"):
        penalty_tree(small_params(), 3)
    with pytest.raises(ValueError, match=r"unknown groups 'row'.*'unit', 'input', 'filter'"):
        penalty_tree(small_params(), "l1", groups="row")
    with pytest.raises(ValueError, match="nothing to take per unit"):
        penalty_tree(small_params(), "l1", scope="unit", groups="unit")
    with pytest.raises(ValueError, match=r"bias' has shape \(4,\), and no inputs.*leave it out"):
        penalty_tree(small_params(), "l1", groups="unit", mask=True)
