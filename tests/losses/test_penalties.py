"""What every penalty owes its users, over the table of all of them."""

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
    return PENALTIES[request.param].of


def test_a_vector_in_parts_is_the_same_vector(name):
    of = PENALTIES[name].of
    parts = [jnp.array(W[:, :1]), jnp.array(W[:, 1:])]
    np.testing.assert_allclose(of(parts), of([jnp.array(W)]), rtol=IDENTITY)


def test_gradient_is_that_of_finite_differences(name, x64):
    w = jax.random.normal(jax.random.key(0), (7, 5), jnp.float64)
    check_grads(
        lambda w: PENALTIES[name].of([w]), (w,), 1, atol=FINITE_DIFFERENCE, rtol=FINITE_DIFFERENCE
    )


@pytest.mark.parametrize("scale", [1e-3, 7.0])
def test_scale(name, scale):
    if DEGREES[name] is not None:
        scaled = PENALTIES[name].of([jnp.array(scale * W)])
        expected = scale ** DEGREES[name] * PENALTIES[name].of([jnp.array(W)])
        np.testing.assert_allclose(scaled, expected, rtol=10 * IDENTITY)


def test_signs_and_order_do_not_matter(of_weights):
    np.testing.assert_allclose(
        of_weights([jnp.array(-W[::-1])]), of_weights([jnp.array(W)]), rtol=IDENTITY
    )


def test_exact_zeros_are_left_alone(of_weights):
    gradient = jax.grad(lambda w: of_weights([w]))(jnp.array(W))
    np.testing.assert_array_equal(gradient == 0, W == 0)


def test_the_zero_vector_costs_nothing_and_has_no_gradient(of_weights):
    value, gradient = jax.value_and_grad(lambda w: of_weights([w]))(jnp.zeros((2, 3)))
    assert value == 0
    assert not gradient.any()


def test_zero_weights_cost_nothing_more(of_weights):
    # Of the normalised one it is the number of entries that matters, by definition.
    if of_weights is not PENALTIES["normalized_hoyer"].of:
        padded = jnp.pad(jnp.array(W), 3)
        np.testing.assert_allclose(
            of_weights([padded]), of_weights([jnp.array(W)]), rtol=10 * IDENTITY
        )


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_types_are_accumulated_in_float32(name, dtype):
    w = jnp.full((100, 100), 0.5).at[:50].set(1.0)
    narrow = PENALTIES[name].of([w.astype(dtype)])
    assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, PENALTIES[name].of([w]), rtol=1e-5)


def test_extreme_weights_of_scale_free_penalties_are_finite(name):
    if DEGREES[name] == 0:
        for scale in (1e-30, 1e30):
            value, gradient = jax.value_and_grad(lambda w: PENALTIES[name].of([w]))(
                jnp.array(W) * scale
            )
            np.testing.assert_allclose(value, PENALTIES[name].of([jnp.array(W)]), rtol=1e-5)
            assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_arrange_the_weights(of_weights, scope):
    params = small_params()
    kernels = [params["Dense_0"]["kernel"], params["Dense_1"]["kernel"]]
    vectors = {
        "global": [kernels],
        "tensor": [[kernel] for kernel in kernels],
        "unit": [[column] for kernel in kernels for column in kernel.T],
    }
    expected = sum(of_weights(vector) for vector in vectors[scope])
    np.testing.assert_allclose(penalty_tree(params, of_weights, scope), expected, rtol=1e-5)


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_groups_give_the_penalty_of_their_norms(name, groups):
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 4, 5))
    axes = {"unit": (0, 1, 2), "input": (0, 1, 3), "filter": (0, 1)}[groups]
    norms = jnp.sqrt((kernel**2).sum(axes))
    np.testing.assert_allclose(
        penalty_tree({"kernel": kernel}, name, groups=groups),
        PENALTIES[name].of([norms]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("groups", GROUPS)
def test_groups_of_zeros_get_no_gradient(groups):
    kernel = jnp.ones((2, 4, 5)).at[:, 1].set(0).at[:, :, 2].set(0)
    gradient = jax.grad(lambda k: penalty_tree({"kernel": k}, "l1_over_l2", groups=groups))(kernel)
    assert jnp.isfinite(gradient).all()
    assert not gradient[:, 1].any()
    assert not gradient[:, :, 2].any()


def test_sharded_weights_give_the_same_value_and_gradient(name):
    params = {"kernel": jax.random.normal(jax.random.key(0), (16, 3))}
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
