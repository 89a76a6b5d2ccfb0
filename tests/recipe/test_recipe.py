"""Recipes, on a network that the library does not know: regression in plain dicts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.parametrized import values
from jaxcomp.quantize import step_of_bits
from jaxcomp.recipe import (
    Dense,
    FineTune,
    Phase,
    Quantize,
    Recipe,
    Sparsify,
    Store,
    TernaryGap,
    for_size,
    watching,
)
from tests.recipe.regression import KEY, TARGETS, VALIDATION, apply, batch, loss, start

pytestmark = pytest.mark.usefixtures("standard_promotion")  # optax's schedules need it


RECIPE = Recipe(
    Dense(steps=120, learning_rate=1e-2),
    Sparsify(steps=120, learning_rate=1e-2, density=0.2, strength=1e-3, prune_steps=80),
    FineTune(steps=60, learning_rate=1e-2),
    TernaryGap(steps=20, strength=1e-4),
    Quantize(steps=120, learning_rate=1e-2, number=2, bias_bits=6),
    Quantize(name="settle", steps=40, number=2, bias_bits=6),
    Store(bias_bits=6),
)


@pytest.fixture(scope="module")
def result(network):
    with jax.numpy_dtype_promotion("standard"):
        return RECIPE.run(
            loss, start(), batch, key=KEY, network=network, validation=VALIDATION, look_every=20
        )


def test_a_small_file_of_a_network_that_works(result, tmp_path):
    size = result.save(tmp_path / "a.jxc")
    loaded = jaxcomp.load(tmp_path / "a.jxc")
    assert size == result.phases[-1].file_bytes < 4 * 20 * 32 / 10
    assert float(loss(loaded, VALIDATION[0], KEY)) == pytest.approx(result.phases[-1].validation)
    kernels = [loaded[name]["kernel"] for name in ("in", "out")]
    assert sum(map(np.count_nonzero, kernels)) <= round(0.2 * 672)
    assert all(len(np.unique(np.abs(w[w != 0]))) <= 2 for w in kernels)
    for name in ("in", "out"):
        bias = np.asarray(loaded[name]["bias"], np.float64)
        step = np.abs(bias).max() / 31 or 1
        np.testing.assert_allclose(bias / step, np.rint(bias / step), atol=1e-4)


def test_each_phase_is_reported(result):
    names = [phase.name for phase in RECIPE.phases]
    assert [one.name for one in result.phases] == names
    dense, sparse = result.phases[0], result.phases[1]
    assert dense.validation < 0.3 * np.var(TARGETS)
    assert dense.nonzeros > 672 > 200 > sparse.nonzeros
    assert result.phases[-1].validation < 0.2 * np.var(TARGETS)
    steps = {point["phase"]: point["step"] for point in result.history}
    assert steps == {phase.name: phase.steps for phase in RECIPE.phases if phase.steps}
    penalties = [one["penalty"] for one in result.history if one["phase"] == "sparsify"]
    assert min(penalties) > 0
    text = result.report()
    assert all(name in text for name in (*names, "in/kernel", "times smaller than float32"))
    assert f"{result.phases[-1].file_bytes:,} bytes" in text
    axes = result.figure().axes
    assert len(axes) == 3


class Flip(Phase):
    """What a user may write: no training, another network."""

    name, steps = "flip", 0

    def run(self, before, about, train):
        return before._replace(params=jax.tree.map(jnp.negative, before.params))


def test_a_phase_of_ones_own_and_without_network_or_validation():
    params = start()
    done = Recipe(Flip()).run(loss, params, batch, key=KEY)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, -b), done.params, params)
    assert done.phases[0].validation is None
    assert done.phases[0].loss is None
    assert done.history == ()


def test_pruned_weights_stay_zero_whatever_the_optimizer_does(network):
    done = Recipe(Sparsify(steps=4, density=0.1), FineTune(steps=4), Quantize(steps=4)).run(
        loss,
        start(),
        batch,
        key=KEY,
        optimizer=lambda rate: optax.sgd(rate, momentum=0.9),
    )
    kernels = [done.params[name]["kernel"] for name in ("in", "out")]
    assert sum(map(np.count_nonzero, kernels)) <= round(0.1 * 672)


def test_a_model_state_is_carried_on(network):
    def counting(params, count, batch, key):
        return loss(params, batch, key), count + 1

    done = Recipe(Dense(steps=5), Quantize(steps=3)).run(
        counting, start(), batch, key=KEY, model_state=jnp.zeros(()), validation=VALIDATION
    )
    assert int(done.model_state) == 8
    assert set(done.stored) == {"params", "model_state"}
    alone = Recipe(Dense(steps=5)).run(loss, start(), batch, key=KEY)
    expected = float(loss(alone.params, VALIDATION[0], KEY))
    assert done.phases[0].validation == pytest.approx(expected, rel=1e-3)


class InterruptedHereError(Exception):
    pass


@pytest.mark.slow
def test_a_run_that_was_stopped_is_resumed_and_ends_with_the_same_bytes(
    result, network, tmp_path, monkeypatch
):
    monkeypatch.setattr(watching, "_SECONDS", 0.0)
    options = {"key": KEY, "network": network, "validation": VALIDATION, "look_every": 20}
    result.save(tmp_path / "whole.jxc")
    asked = []

    def until(last):
        def batches(step):
            if step == last:
                raise InterruptedHereError
            asked.append(step)
            return batch(step)

        return batches

    folder = tmp_path / "run"
    for last in (50, 130, 430):
        with pytest.raises(InterruptedHereError):
            RECIPE.run(loss, start(), until(last), folder=folder, **options)
    done = RECIPE.run(loss, start(), until(-1), folder=folder, **options)
    done.save(tmp_path / "resumed.jxc")
    assert (tmp_path / "resumed.jxc").read_bytes() == (tmp_path / "whole.jxc").read_bytes()
    assert done.history == result.history
    assert len(asked) < 480 + 3 * 20  # no step is made again but those after a checkpoint
    for changed in (
        lambda: Recipe(*RECIPE.phases[:-1]).run(loss, start(), batch, folder=folder, **options),
        lambda: RECIPE.run(
            loss, start(), batch, folder=folder, **options | {"key": jax.random.key(7)}
        ),
    ):
        with pytest.raises(ValueError, match="has a run with another"):
            changed()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(steps=-1), "steps must be a number of steps"),
        (lambda: Dense(steps=1, learning_rate=0), "learning_rate must be greater than 0"),
        (lambda: Dense(steps=1, l2=-1.0), "l2 must be at least 0"),
        (lambda: Sparsify(steps=1, density=0), "density must be"),
        (lambda: Sparsify(steps=1, density=0.1, penalty="l3"), "unknown penalty 'l3'"),
        (lambda: Sparsify(steps=1, density=0.1, prune_steps=2), "prune_steps must be from 0 to"),
        (
            lambda: Sparsify(steps=1, density=0.1, penalty="l1", level_strength=1),
            "level_strength=1 is for l1_over_l2",
        ),
        (lambda: TernaryGap(steps=1, strength=-1), "strength must be at least 0"),
        (lambda: Quantize(steps=1, number=0), "number must be a number of magnitudes"),
        (lambda: Quantize(steps=1, by_layer={"a": 0}), "a must be a number of magnitudes"),
        (lambda: Quantize(steps=1, bias_bits=1), "bias_bits must be from 2 to 8"),
        (lambda: Quantize(steps=1, quantizer="bits", number=9), "number must be from 2 to 8"),
        (lambda: Quantize(steps=1, quantizer="step"), "unknown quantizer 'step'"),
        (
            lambda: Quantize(steps=1, quantizer="bits", number=4, per="unit"),
            "unknown per 'unit': choose from 'tensor'",
        ),
        (lambda: Store(dtype="int8"), "unknown dtype 'int8'"),
        (lambda: Recipe(), "phases need names of their own, got none"),
        (lambda: Recipe(Dense(steps=1), Dense(steps=1)), "got dense, dense: give one by name="),
        (lambda: Recipe(Dense), "a recipe is made of phases"),
    ],
)
def test_values_that_cannot_be_are_refused_at_once(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def per_example(params, batch, key):
    del key
    return (apply(params, batch[0]) - batch[1]) ** 2


def never(step):
    raise AssertionError(f"step {step} was made")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"params": {}}, r"params has no arrays, got \{\}"),
        ({"params": None}, "params has no arrays, got None"),
        ({"params": {"act": jax.nn.relu}}, r"the leaf 'act' of params is a .*is_inexact_array"),
        ({"params": optax.adam(1e-3).init(start())}, "of params is of type int32"),
        ({"key": 0}, r"key must be a random key, such as jax.random.key\(0\), got 0"),
        ({"optimizer": optax.adam(1e-3)}, "optimizer must be a function of the learning rate"),
        ({"loss": per_example}, r"one number.*got float32\[256,1\]"),
        ({"loss": lambda params, batch, key: None}, "one number.*got a NoneType"),
        ({"loss": lambda params, batch: 0.0}, "(?s)takes 2 .*validation= takes a list"),
        ({"validation": VALIDATION[0]}, r"with a batch of float32\[256,20\]"),
        ({"validation": None}, "give validation="),
        ({"validation": []}, "give validation="),
        ({"recipe": for_size(bytes=10)}, "no file of 10 bytes can hold this network"),
        ({"recipe": for_size(times_smaller=5_000)}, "no file of 0 bytes can hold this network"),
    ],
)
def test_what_a_run_cannot_start_from_is_told_before_its_first_step(changed, message):
    given = {"loss": loss, "params": start(), "key": KEY, "validation": VALIDATION} | changed
    recipe = given.pop("recipe", for_size(times_smaller=5))
    with pytest.raises((ValueError, TypeError), match=message):
        recipe.run(given.pop("loss"), given.pop("params"), never, **given)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": per_example}, r"one number.*got float32\[64,1\]"),
        ({"loss": lambda p, b, key: (loss(p, b, key), 1)}, r"got \(float32\[\], a int\)"),
        ({"loss": lambda params, batch: 0.0}, r"(?s)takes 2 .*loss\(params, batch, key\)"),
        ({"batches": batch(0)}, r"with a batch of float32\[64,20\]"),
        ({"model_state": {"mean": jnp.ones(3)}, "loss": lambda p, s, b, key: 0.0}, "the new state"),
    ],
)
def test_a_loss_that_does_not_fit_the_batches_is_told_with_the_batch(changed, message):
    given = {"loss": loss, "batches": batch} | changed
    with pytest.raises((ValueError, TypeError), match=message):
        Recipe(Dense(steps=2)).run(
            given.pop("loss"), start(), given.pop("batches"), key=KEY, **given
        )


def test_a_layer_that_is_not_there():
    told = "by_layer names 'middle': weights are in/kernel, out/kernel"
    with pytest.raises(ValueError, match=told):
        Quantize(steps=1, by_layer={"middle": 2}).quantized(start())
    few = Quantize(steps=1, by_layer={"out/kernel": 3}).quantized(start())
    assert few["in"]["kernel"].levels.shape == (1,)
    assert few["out"]["kernel"].levels.shape == (3,)


def test_bits_make_multiples_of_a_step():
    few = values(Quantize(steps=1, quantizer="bits", number=4).quantized(start()))
    for kernel in jaxcomp.trees.select(few, None):
        numbers = np.asarray(kernel / step_of_bits(kernel, 4))
        np.testing.assert_allclose(numbers, np.round(numbers), atol=1e-5)
        assert np.abs(numbers).max() == pytest.approx(7)


def test_values_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dense(steps=1).steps = 2
