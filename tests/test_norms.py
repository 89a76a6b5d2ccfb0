"""Norms at any magnitude of weights, by the ways of taking them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from jaxcomp import norms
from jaxcomp.norms import scaled_norms
from tests.helpers import IDENTITY, sharded


@pytest.fixture(params=["cpu", "accelerator"], scope="module")
def way(request):
    """Norms are taken in the way of each kind of device, by the one that there is."""
    # What was traced in the other way must not be found.
    jax.clear_caches()
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "accelerator":
            patch.setattr(norms, "_by_branch", norms._by_one_read)
        yield
    jax.clear_caches()


@jax.jit
@jax.grad
def gradient_of_ratio(arrays):
    _, l1, squares = scaled_norms(arrays)
    return l1 / jnp.sqrt(squares)


@pytest.mark.usefixtures("way")
def test_nan_is_not_hidden():
    assert jnp.isnan(jnp.stack(scaled_norms([jnp.array([0.0, jnp.nan])]))).all()


@pytest.mark.usefixtures("way")
def test_norms_of_several_arrays_are_those_of_their_concatenation():
    arrays = [jnp.array([3.0, -4.0]), jnp.array([[12.0]])]
    scale, l1, sum_of_squares = scaled_norms(arrays)
    np.testing.assert_allclose([scale * l1, scale**2 * sum_of_squares], [19, 169], rtol=IDENTITY)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "exponent", [-34, -30, -19, -14, -12, -11, -5, 0, 9, 14, 15, 16, 19, 30, 34]
)
def test_norms_and_derivatives_at_any_magnitude(exponent):
    """By float64; the plain sums are used from about 1e-12 to 1e+15, another scale outside."""
    w = np.array([3.0, -0.5, 0.0, 1e-3]) * 10.0**exponent
    arrays = [jnp.array(w[:2], jnp.float32), jnp.array(w[2:, None], jnp.float32)]
    scale, l1, squares = map(np.float64, scaled_norms(arrays))
    exact_l1, exact_l2 = np.abs(w).sum(), np.sqrt((w**2).sum())
    np.testing.assert_allclose(
        [scale * l1, scale * np.sqrt(squares)], [exact_l1, exact_l2], rtol=1e-6
    )
    got = np.concatenate([np.ravel(g) for g in gradient_of_ratio(arrays)]).astype(np.float64)
    expected = np.sign(w) / exact_l2 - exact_l1 * w / exact_l2**3
    np.testing.assert_allclose(got, expected, rtol=2e-5)


@pytest.mark.usefixtures("way")
def test_the_zero_vector_and_what_is_too_small_have_no_norms():
    for w in (jnp.zeros(3), jnp.array([1e-39, 0.0])):
        assert [float(x) for x in scaled_norms([w])] == [0, 0, 0]
        gradient = jax.grad(lambda w: sum(scaled_norms([w])))(w)
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.usefixtures("way")
def test_an_infinite_weight_is_not_hidden():
    _, l1, squares = scaled_norms([jnp.array([1.0, jnp.inf])])
    assert not jnp.isfinite(l1 / jnp.sqrt(squares))


@pytest.mark.usefixtures("way")
def test_derivatives_of_norms_forward_and_of_second_order():
    arrays = [jnp.array([3.0, -4.0]), jnp.array([[12.0]])]
    ones = [jnp.ones(2), jnp.ones((1, 1))]
    _, change = jax.jvp(scaled_norms, (arrays,), (ones,))
    np.testing.assert_allclose([change.l1, change.sum_of_squares], [1, 22], rtol=IDENTITY)
    hessian = jax.hessian(lambda w: scaled_norms([w]).sum_of_squares)(arrays[0])
    np.testing.assert_allclose(hessian, 2 * np.eye(2), rtol=IDENTITY)


@pytest.mark.usefixtures("way")
def test_norms_under_vmap_are_each_in_their_own_range():
    w = jnp.array([[3.0, -4.0], [3e-30, 4e-30], [3e30, 4e30], [0.0, 0.0]])
    _, l1, squares = jax.vmap(lambda row: scaled_norms([row]))(w)
    np.testing.assert_allclose(l1[:3] / jnp.sqrt(squares[:3]), [7 / 5] * 3, rtol=1e-6)
    assert l1[3] == squares[3] == 0


@pytest.mark.usefixtures("way")
def test_magnitudes_that_add_up_to_more_than_the_largest_number():
    w = jnp.full(4, 3e38)
    assert jnp.isinf(jnp.abs(w).sum())
    _, l1, squares = scaled_norms([w])
    np.testing.assert_allclose(l1 / jnp.sqrt(squares), 2, rtol=1e-6)


@pytest.mark.usefixtures("way")
def test_norms_take_no_copy_of_the_weights():
    """They need at most as much memory as one of the arrays, whatever their number."""
    arrays = [jnp.ones((256, 256)) for _ in range(8)]
    program = jax.jit(scaled_norms).lower(arrays).compile()
    assert program.memory_analysis().temp_size_in_bytes < 2 * arrays[0].nbytes


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_norms_of_shards_are_those_of_the_whole_which_no_device_gathers(kind):
    w = jax.random.normal(jax.random.key(0), (64, 32))
    program = jax.jit(scaled_norms).lower([sharded(w, kind=kind)]).compile()
    norms = program([sharded(w, kind=kind)])
    np.testing.assert_allclose(norms, scaled_norms([w]), rtol=IDENTITY)
    assert "f32[8,32]" in program.as_text()
    assert "f32[64,32]" not in program.as_text()
