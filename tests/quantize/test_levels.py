"""Few-valued weights: fixed points, optimal levels, the straight-through gradient written out."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxcomp
from jaxcomp.losses import compressibility, ternary_level
from jaxcomp.parametrized import latent_mask, values
from jaxcomp.quantize import LEVELS, Quantized, few_levels, least_squares_level, ternarize
from jaxcomp.quantize.levels import _run_sums, fit_levels
from tests.helpers import IDENTITY, small_params, weights


@pytest.fixture(params=LEVELS)
def level(request):
    return request.param


@partial(jax.jit, static_argnames=("level", "per", "mask"))
def ternary(params, **options):
    return ternarize(params, **options)


@partial(jax.jit, static_argnums=1, static_argnames=("per", "mask"))
def few(params, levels, **options):
    return few_levels(params, levels, **options)


values_of = jax.jit(values)


def test_every_level_leaves_a_ternary_vector_as_it_is(level):
    w = np.float32([0.0, 0.7, -0.7, 0.7, 0.0])
    np.testing.assert_allclose(LEVELS[level](w), 0.7, rtol=IDENTITY)


@pytest.mark.parametrize(("name", "expected"), [("theorem", 10 / 4), ("least_squares", 4 / 2)])
def test_levels_of_a_vector_that_is_not_ternary(name, expected):
    node = ternarize({"kernel": jnp.array([[0.0, 1.0, -3.0]])}, level=name)["kernel"]
    np.testing.assert_allclose(node.levels, [expected], rtol=IDENTITY)


def test_quantizing_twice_is_quantizing_once(level):
    once = values_of(ternary(small_params(), level=level))
    twice = values_of(ternary(once, level=level))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=IDENTITY), once, twice)


@given(weights())
def test_result_is_ternary_with_the_same_zeros_and_signs(w):
    for level in LEVELS:
        q = np.asarray(values_of(ternary(w, level=level, mask=True)))
        np.testing.assert_array_equal(np.sign(q), np.sign(w))
        assert len(set(abs(q[q != 0]))) == 1
        k = np.count_nonzero(w)
        np.testing.assert_allclose(compressibility(q), np.sqrt(k), rtol=IDENTITY)


@given(weights())
def test_least_squares_level_is_the_closest(w):
    def distance(c):
        return np.sum((w.astype(np.float64) - c * np.sign(w)) ** 2)

    c = float(least_squares_level(w))
    assert all(distance(c) <= distance(c * factor) for factor in (0.99, 1.01))
    # By Cauchy and Schwarz the level of the theorem is never below the mean magnitude.
    assert float(ternary_level(w)) >= c * (1 - IDENTITY)


def test_levels_at_the_zero_vector(level):
    q = values_of(ternary({"kernel": np.zeros((2, 2), np.float32)}, level=level))
    np.testing.assert_array_equal(q["kernel"], np.zeros((2, 2)))


@pytest.mark.parametrize("per", ["tensor", "unit"])
def test_a_tensor_without_entries_stays(per):
    params = {"kernel": jnp.zeros((0, 3))}
    for quantized in (ternarize(params, per=per), few_levels(params, 2, per=per)):
        assert quantized["kernel"] is params["kernel"]


def test_only_weights_become_ternary_and_types_are_kept():
    params = jax.tree.map(lambda p: jnp.asarray(np.asarray(p, jnp.bfloat16)), small_params())
    node = ternarize(params)
    assert isinstance(node["Dense_0"]["kernel"], Quantized)
    types = {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(values, node))}
    assert types == {jnp.dtype(jnp.bfloat16)}
    assert node["Dense_0"]["bias"] is params["Dense_0"]["bias"]


@pytest.mark.parametrize("levels", [[2.0], [[2.0, 2.0, 2.0]]], ids=["per tensor", "per unit"])
def test_straight_through_gradient_of_a_ternary_tensor(levels):
    node = Quantized(latent=jnp.array([0.5, -3.0, 0.0]), levels=jnp.array(levels))
    array, pullback = jax.vjp(values, node)
    np.testing.assert_array_equal(array, [2.0, -2.0, 0.0])
    (gradient,) = pullback(jnp.array([10.0, 20.0, 40.0]))
    np.testing.assert_array_equal(gradient.latent, [10.0, 20.0, 0.0])  # identity on the support
    assert gradient.levels.sum() == 10.0 - 20.0  # sum of g_i sign(v_i)


def test_straight_through_gradient_of_two_levels():
    node = Quantized(latent=jnp.array([[0.5, -3.0], [1.5, 0.0]]), levels=jnp.array([1.0, 2.5]))
    array, pullback = jax.vjp(values, node)
    np.testing.assert_array_equal(array, [[1.0, -2.5], [1.0, 0.0]])
    (gradient,) = pullback(jnp.array([[10.0, 20.0], [40.0, 80.0]]))
    np.testing.assert_array_equal(gradient.latent, [[10.0, 20.0], [40.0, 0.0]])
    np.testing.assert_array_equal(gradient.levels, [10.0 + 40.0, -20.0])


def test_levels_per_unit_are_those_of_each_unit_alone(level):
    kernel = np.float32([[1.0, 0.0, 4.0], [-3.0, 2.0, 0.0]])
    node = ternary({"kernel": kernel}, level=level, per="unit")["kernel"]
    expected = [LEVELS[level](column) for column in kernel.T]
    np.testing.assert_allclose(node.levels, [expected], rtol=IDENTITY)
    values = np.asarray(values_of(node))
    np.testing.assert_allclose(values, np.sign(kernel) * np.array(expected), rtol=IDENTITY)


@pytest.mark.parametrize("per", ["tensor", "unit"])
def test_few_values_are_found_again(per):
    rng = np.random.default_rng(0)
    kernel = rng.choice([-5.0, -1.0, 0.0, 1.0, 5.0], size=(3, 40, 4)).astype(np.float32)
    node = few({"kernel": kernel}, 2, per=per)["kernel"]
    assert node.levels.shape == {"tensor": (2,), "unit": (2, 4)}[per]
    np.testing.assert_allclose(values_of(node), kernel, rtol=1e-5)


def rounded(w, levels):
    return np.asarray(values_of(few(w, levels, mask=True)))


@given(weights(), st.sampled_from([1, 2, 5]))
def test_few_levels_twice_are_few_levels_once(w, levels):
    once = rounded(w, levels)
    np.testing.assert_array_equal(rounded(once, levels), once)


def test_rare_magnitudes_are_levels_too():
    w = np.float32([1.0] * 500 + [-1.5] * 300 + [2.0] * 100 + [2.4, 0.0])
    node = few(w, 4, mask=True)
    np.testing.assert_array_equal(node.levels, np.float32([1.0, 1.5, 2.0, 2.4]))
    np.testing.assert_array_equal(values_of(node), w)


MANY = np.random.default_rng(0).normal(size=(1000, 1)).astype(np.float32)


def test_more_levels_are_closer():
    errors = [float(np.square(rounded(MANY, m) - MANY).sum()) for m in (1, 2, 3)]
    assert errors == sorted(errors, reverse=True)
    assert len(set(errors)) == 3
    one = values_of(ternary(MANY, level="least_squares", mask=True))
    np.testing.assert_allclose(rounded(MANY, 1), one, rtol=1e-5)


def test_fitted_levels_are_means_of_what_is_nearest():
    node = few(MANY, 3, mask=True)
    values = np.abs(np.asarray(values_of(node)))
    for level in np.asarray(node.levels):
        own = np.abs(MANY)[np.isclose(values, level)]
        np.testing.assert_allclose(own.mean(), level, rtol=1e-4)


@pytest.mark.parametrize("per", ["tensor", "unit"])
def test_tensors_and_units_of_zeros_stay_zeros(per):
    zeros, kernel = np.zeros((2, 4, 3), np.float32)
    kernel[1, 0] = 2
    for quantize in (lambda p: ternary(p, per=per), lambda p: few(p, 2, per=per)):
        for w in (kernel, zeros):
            node = quantize({"kernel": w})["kernel"]
            assert np.isfinite(node.levels).all()
            np.testing.assert_array_equal(values_of(node), w)


@pytest.mark.usefixtures("standard_promotion")
def test_fine_tuning_keeps_weights_ternary_and_pruned_ones_zero():
    params = small_params()
    keep = jax.tree.map(lambda p: np.asarray(p) != 0, params)
    nodes = ternary(params)
    tx = optax.chain(
        optax.adamw(0.1, weight_decay=0.1), jaxcomp.keep_masked(latent_mask(nodes, keep))
    )

    def step(_, carry):
        def loss(nodes):
            return sum(jnp.sum((leaf - 1) ** 2) for leaf in jax.tree.leaves(values(nodes)))

        nodes, state = carry
        updates, state = tx.update(jax.grad(loss)(nodes), state, nodes)
        return optax.apply_updates(nodes, updates), state

    @jax.jit
    def trained(nodes):
        nodes, _ = jax.lax.fori_loop(0, 100, step, (nodes, tx.init(nodes)))
        return values(nodes)

    for layer, before in zip(trained(nodes).values(), params.values(), strict=True):
        kernel = np.asarray(layer["kernel"])
        assert len(set(abs(kernel[kernel != 0]))) == 1
        assert not kernel[np.asarray(before["kernel"]) == 0].any()
        assert not np.allclose(layer["bias"], before["bias"])  # the rest did train


def test_what_is_unknown_is_named_with_the_choices():
    with pytest.raises(ValueError, match=r"unknown per 'row'.*'tensor', 'unit'"):
        ternarize(small_params(), per="row")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        few_levels(small_params(), 0)
    with pytest.raises(ValueError, match=r"'median'.*'theorem', 'least_squares'"):
        ternarize(small_params(), level="median")


def lloyd(w, levels):
    """The same fit in float64, entry by entry."""
    magnitudes = np.sort(np.abs(w[w != 0]).astype(np.float64))
    k = magnitudes.size
    centers = magnitudes[(2 * np.arange(levels) + 1) * k // (2 * levels)]
    for _ in range(50):
        nearest = np.searchsorted((centers[1:] + centers[:-1]) / 2, magnitudes)
        for level in set(nearest):
            centers[level] = magnitudes[nearest == level].mean()
    return centers


@pytest.mark.parametrize(
    ("shape", "levels"),
    [((7, 5), 1), ((7, 5), 16), ((100, 30), 3), ((331, 97), 1), ((331, 97), 16)],
)
def test_levels_are_those_of_lloyds_iteration(shape, levels):
    rng = np.random.default_rng(levels)
    w = rng.standard_t(3, size=shape).astype(np.float32)
    w[rng.random(shape) < 0.4] = 0
    np.testing.assert_allclose(fit_levels(w, levels), lloyd(w, levels), rtol=1e-4)


def test_the_mean_of_a_few_large_weights_among_many_small_ones_is_exact():
    w = np.concatenate([np.full(400_000, 0.01), np.linspace(0.01, 0.0101, 97), [7.0, 8.0, 9.0]])
    found = fit_levels(jnp.array(w, jnp.float32), 2)
    np.testing.assert_allclose(found, [np.mean(w[:-3]), 8.0], rtol=IDENTITY)


@jax.jit
def sums_of_runs(values, places):
    return _run_sums(values)(places[:-1], places[1:])


@given(st.sampled_from([1, 3, 16, 51, 400]), st.lists(st.integers(0, 400), min_size=5, max_size=5))
def test_sums_of_runs(size, places):
    values = np.arange(1, size + 1)
    places = np.sort(np.minimum(places, size))
    expected = [values[start:end].sum() for start, end in itertools.pairwise(places)]
    np.testing.assert_array_equal(sums_of_runs(values, places), expected)


@pytest.mark.parametrize("levels", [2, 64])
def test_the_memory_of_a_fit_is_a_few_times_that_of_the_weights(levels):
    w = jax.ShapeDtypeStruct((4_000_000,), jnp.float32)
    memory = fit_levels.lower(w, levels).compile().memory_analysis()
    assert memory.temp_size_in_bytes <= 6 * 4 * w.size


def test_the_memory_of_straight_through_levels_does_not_hold_floats_for_each_level():
    node = Quantized(
        jax.ShapeDtypeStruct((1_000_000,), jnp.float32), jax.ShapeDtypeStruct((64,), jnp.float32)
    )
    memory = jax.jit(values).lower(node).compile().memory_analysis()
    assert memory.temp_size_in_bytes <= 6 * 4 * 1_000_000


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100, 2.0**125])
def test_levels_of_very_small_and_very_large_weights_are_those_of_others(scale):
    w = np.random.default_rng(0).uniform(0.5, 4, size=(40, 5)).astype(np.float32)
    for levels in (1, 4):
        plain = np.asarray(fit_levels(w, levels))
        scaled = fit_levels(np.float32(scale) * w, levels)
        np.testing.assert_allclose(scaled, np.float32(scale) * plain, 1e-6)


def test_levels_of_the_largest_weights_are_finite():
    large = {"w": np.full((4, 4), 3e38, np.float32)}
    for tree in (ternary(large), ternary(large, level="least_squares"), few(large, 2)):
        np.testing.assert_allclose(np.max(tree["w"].levels), 3e38, rtol=1e-6)


def test_inside_jit_a_nan_stays_visible_and_takes_part_in_no_level():
    w = np.float32([[1.0, -1.0, 2.0, np.nan], [0.0, 2.0, -2.0, 1.0]])
    np.testing.assert_array_equal(values_of(few({"w": w}, 2))["w"], w)
    assert np.isnan(np.asarray(values_of(ternary({"w": w}))["w"])[0, 3])
