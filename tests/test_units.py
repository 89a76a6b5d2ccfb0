"""Everything that speaks of units, in each layout, against results that are written out."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.axes import Axes
from jaxcomp.losses import compressibility_tree, group_norms, level_tree, penalty_tree
from jaxcomp.parametrized import values
from jaxcomp.prox import Group
from jaxcomp.prune import Blocks, Inputs, OfEach, Units, structured_magnitude, top_k_mask
from jaxcomp.quantize import few_levels, ternarize
from tests.units import FORMS, network, tree

pytestmark = pytest.mark.usefixtures("standard_promotion")
RNG = np.random.default_rng(0)
# [inputs, outputs]: of distinct magnitudes, and some zeros.
M = np.float32(RNG.uniform(1, 25, (4, 6)) * RNG.choice([-1, 1], (4, 6)))
M[[0, 1, 2], [0, 4, 3]] = 0
A = np.abs(M)


def ratio(w, axis=None):
    return np.abs(w).sum(axis) / np.sqrt(np.square(w).sum(axis))


def ratio_gradient(w):
    """Of the sum over the columns."""
    r, l1 = np.sqrt(np.square(w).sum(0)), np.abs(w).sum(0)
    return np.sign(w) / r - w * l1 / r**3


def levels(w):
    return np.square(w).sum(0) / np.abs(w).sum(0)


def largest(scores, k):
    return scores >= np.sort(scores)[-k]


def kept_of(pattern, scope="tensor", **options):
    def kept(params, **source):
        return top_k_mask(params, 0.5, pattern=pattern, scope=scope, **options, **source)

    return kept


def once(make):
    """The parameters after one update of a transformation with zero updates."""

    def updated(params, **source):
        tx = make(**source)
        zeros = jax.tree.map(jnp.zeros_like, params)
        return optax.apply_updates(params, tx.update(zeros, tx.init(params), params)[0])

    return updated


def shrunk(w, axis):
    norms = np.sqrt(np.square(w).sum(axis, keepdims=True))
    return w * np.maximum(1 - 20 / norms, 0)


def n_of_m():
    of_each = A.reshape(2, 2, 6)
    return (of_each == of_each.max(1, keepdims=True)).reshape(4, 6)


def blocks():
    means = A.reshape(2, 2, 2, 3).mean((1, 3))
    return np.kron(largest(means.ravel(), 2).reshape(2, 2), np.ones((2, 3))) > 0


def structured():
    on = M != 0
    chance = np.outer(on.mean(1), on.mean(0)) / on.mean()
    score = A * np.minimum(chance, 1)
    return np.where(largest(score.ravel(), 12).reshape(4, 6), M, 0)


# What is called, and what it gives, a number or an array [inputs, outputs].
OPTIONS = {
    "the ratio of units": (
        lambda p, **source: compressibility_tree(p, scope="unit", **source),
        ratio(M, 0).sum(),
    ),
    "the levels of units": (
        lambda p, **source: level_tree(p, scope="unit", **source),
        levels(M).sum(),
    ),
    "a penalty of units": (
        lambda p, **source: penalty_tree(p, "hoyer_square", scope="unit", **source),
        np.square(ratio(M, 0)).sum(),
    ),
    "the norms of units": (
        lambda p, **source: penalty_tree(p, "l1", groups="unit", **source),
        np.sqrt(np.square(M).sum(0)).sum(),
    ),
    "the norms of inputs": (
        lambda p, **source: penalty_tree(p, "l1_over_l2", groups="input", **source),
        ratio(np.sqrt(np.square(M).sum(1))),
    ),
    "the norms of filters": (
        lambda p, **source: penalty_tree(p, "l1", groups="filter", **source),
        A.sum(),
    ),
    "ternary units": (
        lambda p, **source: values(ternarize(p, per="unit", **source)),
        levels(M) * np.sign(M),
    ),
    "units of as many levels as weights": (
        lambda p, **source: values(few_levels(p, 4, per="unit", **source)),
        M,
    ),
    "units as a whole": (kept_of(Units()), largest(A.mean(0), 3) & (A >= 0)),
    "inputs as a whole": (kept_of(Inputs()), largest(A.mean(1), 2)[:, None] & (A >= 0)),
    "units with a floor": (kept_of(Units(), "global", floor=0.5), largest(A.mean(0), 3) & (A >= 0)),
    "n of m": (kept_of(OfEach(2)), n_of_m()),
    "blocks": (kept_of(Blocks(2, 3)), blocks()),
    "updates by the ratio of units": (
        once(
            lambda **source: optax.chain(
                jaxcomp.add_compressibility(1.0, scope="unit", level_strength=0.0, **source),
                optax.sgd(1.0),
            )
        ),
        M - ratio_gradient(M),
    ),
    "updates by the norms of inputs": (
        once(
            lambda **source: optax.chain(
                jaxcomp.add_penalty("l1", 1.0, groups="input", **source), optax.sgd(1.0)
            )
        ),
        M * (1 - 1 / np.sqrt(np.square(M).sum(1, keepdims=True))),
    ),
    "the prox of units": (
        once(lambda **source: jaxcomp.apply_prox("group_unit", 20.0, 1.0, **source)),
        shrunk(M, 0),
    ),
    "the prox of inputs": (
        once(lambda **source: jaxcomp.apply_prox("group_input", 20.0, 1.0, **source)),
        shrunk(M, 1),
    ),
    "gradual pruning of units": (
        once(lambda **source: jaxcomp.prune_gradually(0.5, pattern=Units(), **source)),
        M * largest(A.mean(0), 3),
    ),
    "gradual pruning by structure": (
        once(
            lambda **source: jaxcomp.prune_gradually(0.5, score=structured_magnitude(1.0), **source)
        ),
        structured(),
    ),
}


def some_slow(cases, *fast):
    """Cases of which all but a few are slow: each compiles a program of its own."""
    return [pytest.param(one, marks=[pytest.mark.slow] * (one not in fast)) for one in cases]


@pytest.mark.parametrize(
    "form", some_slow(FORMS, "flax", "torch", "attention, [d, heads, features]")
)
@pytest.mark.parametrize("option", OPTIONS)
def test_units_are_found_in_each_layout(option, form):
    call, expected = OPTIONS[option]
    store, restore, source = FORMS[form]
    got = call(tree(store(jnp.asarray(M))), **source)
    if isinstance(got, dict):
        got = restore(got["layer"]["kernel"])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


# What is the same for a matrix and its transpose, or (blocks) does not fit both.
SAME = {
    "the norms of filters",
    "units of as many levels as weights",
    "gradual pruning by structure",
    "blocks",
}


@pytest.mark.parametrize("option", sorted(OPTIONS.keys() - SAME))
def test_the_layouts_differ(option):
    """So that the tests above can fail: the transpose in the same layout gives something else."""
    call, expected = OPTIONS[option]
    got = call(tree(jnp.asarray(M.T)))
    got = np.asarray(got["layer"]["kernel"]).T if isinstance(got, dict) else got
    assert not np.allclose(got, expected, rtol=1e-3)


@pytest.mark.parametrize("groups", ["unit", "input", "filter"])
@pytest.mark.parametrize("layout", ["flax", "torch"])
def test_norms_of_a_convolution_in_each_layout(layout, groups):
    window = RNG.normal(size=(3, 4, 6)).astype(np.float32)  # [window, inputs, outputs]
    kernel = window if layout == "flax" else window.transpose(2, 1, 0)
    summed = {"unit": (0, 1), "input": (0, 2), "filter": 0}[groups]
    expected = np.sqrt(np.square(window).sum(summed))
    got = group_norms(jnp.asarray(kernel), groups, layout=layout)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    operator = Group(groups, layout=layout)
    np.testing.assert_allclose(operator.value(jnp.asarray(kernel)), expected.sum(), rtol=1e-5)
    score = structured_magnitude(1.0, layout=layout)(jnp.asarray(kernel))
    if layout == "torch":
        score = score.transpose(2, 1, 0)
    np.testing.assert_allclose(score, structured_magnitude(1.0)(jnp.asarray(window)), rtol=1e-5)


STACKED = {
    "last, of [outputs, inputs]": (
        Axes((1,), (0,), stack=(2,)),
        lambda pair: jnp.stack([m.T for m in pair], axis=2),
    ),
    "around heads": (
        Axes((1,), (2, 3), stack=(0,)),
        lambda pair: jnp.stack(pair).reshape(2, 4, 2, 3),
    ),
}
OF_TENSORS = {
    "the ratio of tensors": lambda p, **source: compressibility_tree(p, scope="tensor", **source),
    "the level of tensors": lambda p, **source: level_tree(p, scope="tensor", **source),
    "norms of units of tensors": lambda p, **source: penalty_tree(
        p, "l1_over_l2", scope="tensor", groups="unit", **source
    ),
    "ternary tensors": lambda p, **source: values(ternarize(p, **source)),
    "tensors of two levels": lambda p, **source: values(few_levels(p, 2, **source)),
    "the largest of each tensor": lambda p, **source: top_k_mask(p, 0.5, scope="tensor", **source),
    "above the level of each tensor": lambda p, network=None: jaxcomp.prune.threshold_mask(
        p, 0.5, scope="tensor", network=network
    ),
    "gradual pruning of each tensor": once(
        lambda **source: jaxcomp.prune_gradually(0.5, scope="tensor", **source)
    ),
    "the prox of the ratio": once(
        lambda **source: jaxcomp.apply_prox("ratio", 2e-3, 1.0, **source)
    ),
    "the prox of the ratio in the metric of the optimizer": once(
        lambda **source: jaxcomp.prox_adam("ratio", 1e-7, 1.0, **source)
    ),
}


@pytest.mark.parametrize("axes", some_slow(STACKED, "last, of [outputs, inputs]"))
@pytest.mark.parametrize("option", [*OPTIONS, *OF_TENSORS])
def test_stacked_layers_are_separate_tensors(option, axes):
    """What is done to a stack is done to its layers, of very different scales, one by one."""
    call = OPTIONS[option][0] if option in OPTIONS else OF_TENSORS[option]
    axes, store = STACKED[axes]
    pair = [jnp.asarray(M), jnp.asarray(M[::-1, ::-1]) * 1e-2]
    got = call(tree(store(pair)), network=network(layer=axes))
    apart = call({name: {"kernel": m} for name, m in zip("ab", pair, strict=True)})
    if isinstance(got, dict):
        got = got["layer"]["kernel"]
        apart = store([apart[name]["kernel"] for name in "ab"])
    np.testing.assert_allclose(got, apart, rtol=1e-5, atol=1e-6)


def test_cases_of_stacked_layers_by_number():
    stacked = network(layer=Axes((1,), (2,), stack=(0,)))
    layers = jnp.stack(
        [jnp.arange(1.0, 51).reshape(5, 10), 100 * jnp.arange(1.0, 51).reshape(5, 10)]
    )
    keep = top_k_mask(tree(layers), 0.5, scope="tensor", network=stacked)["layer"]["kernel"]
    assert keep.sum(axis=(1, 2)).tolist() == [25, 25]
    units = jnp.array([[[9.0, 0.1, 0.1]], [[0.1, 0.1, 9.0]]])
    keep = top_k_mask(tree(units), 1 / 3, pattern=Units(), scope="tensor", network=stacked)
    assert keep["layer"]["kernel"].tolist() == [[[True, False, False]], [[False, False, True]]]
    node = ternarize(tree(layers), network=stacked)["layer"]["kernel"]
    assert node.levels.shape == (1, 2, 1, 1)
    np.testing.assert_allclose(node.levels[0, 1] / node.levels[0, 0], 100, rtol=1e-5)


def test_a_stack_of_which_some_tensors_are_lost_is_warned_of():
    layers = jnp.stack([jnp.ones((2, 2)), 10 * jnp.ones((2, 2)), 10 * jnp.ones((2, 2))])
    known = network(layer=Axes((1,), (2,), stack=(0,)))
    with pytest.warns(UserWarning, match="left of 1 of the tensors stacked in 'layer/kernel'"):
        top_k_mask(tree(layers), 0.5, network=known)


def test_what_is_canonical_stays_the_same_array():
    from jaxcomp.axes import from_matrices, matrices, of_layout

    w = jnp.ones((3, 4, 6))
    for axes in (None, of_layout("flax", 3)):
        assert matrices(w, axes)[0] is w
        assert from_matrices([w], w.shape, axes) is w


def test_stacked_layers_without_a_network_by_vmap():
    """As the docstrings say."""
    tx = optax.chain(jaxcomp.add_compressibility(1.0, scope="tensor"), optax.sgd(1.0))
    pair = [jnp.asarray(M), jnp.asarray(M[::-1])]
    params = tree(jnp.stack(pair))
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = jax.vmap(tx.update)(zeros, jax.vmap(tx.init)(params), params)
    for one, m in zip(updates["layer"]["kernel"], pair, strict=True):
        alone, _ = tx.update(tree(jnp.zeros_like(m)), tx.init(tree(m)), tree(m))
        np.testing.assert_allclose(one, alone["layer"]["kernel"], rtol=1e-5)
