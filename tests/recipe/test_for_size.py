"""Recipes that need one number end at that number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.recipe import (
    About,
    Quantize,
    Recipe,
    Trained,
    for_quality,
    for_size,
    to_quality,
    to_size,
)
from jaxcomp.recipe.projection import Projected, TooSmallError, largest_that_fits, project
from jaxcomp.recipe.result import file_bytes
from tests.recipe.regression import INPUTS, KEY, VALIDATION, apply, batch, loss, start

pytestmark = pytest.mark.usefixtures("standard_promotion")  # optax's schedules need it
FLOAT32_BYTES = 4 * (20 * 32 + 32 + 32 + 1)


def run(recipe, network, **options):
    options = {"validation": VALIDATION, "network": network} | options
    return recipe.run(loss, start(), batch, key=KEY, **options)


@pytest.fixture
def few_trials(monkeypatch):
    """Fewer kinds of values and strengths than there are, since each compiles programs."""
    monkeypatch.setattr(to_size, "_STRENGTHS", (1e-3,))
    monkeypatch.setattr(to_size, "_VALUES", (to_size.Few("levels", 4), to_size.Few("bits", 5)))


@pytest.mark.slow
@pytest.mark.usefixtures("few_trials")
def test_a_file_of_the_size_that_was_asked_for(network, tmp_path):
    """Of a function that needs all weights that it can get."""
    rng = np.random.default_rng(3)
    teacher = {
        "in": {"kernel": rng.normal(size=(20, 32)) / 2, "bias": rng.normal(size=32)},
        "out": {"kernel": rng.normal(size=(32, 1)) / 2, "bias": np.zeros(1)},
    }
    targets = np.asarray(apply(jax.tree.map(jnp.float32, teacher), INPUTS))

    def taught(step):
        rows = np.random.default_rng(step).integers(0, 1792, 64)
        return INPUTS[rows], targets[rows]

    held_out = [(INPUTS[1792:], targets[1792:])]
    done = for_size(times_smaller=6, steps=600, learning_rate=1e-2).run(
        loss, start(), taught, key=KEY, network=network, validation=held_out
    )
    size, most = done.save(tmp_path / "a.jxc"), FLOAT32_BYTES / 6
    assert 0.95 * most <= size <= most
    assert done.phases[-1].file_bytes == size
    assert done.notes == ()
    lost = float(loss(jaxcomp.load(tmp_path / "a.jxc"), held_out[0], KEY))
    assert lost == pytest.approx(done.phases[-1].validation)
    assert lost < 0.2 * np.var(targets)


@pytest.mark.slow
@pytest.mark.usefixtures("few_trials")
def test_a_file_that_cannot_be_as_large_says_so(network):
    done = run(for_size(bytes=2_000, steps=60, learning_rate=1e-2), network)
    assert done.phases[-1].file_bytes < 1_900  # all weights at most 33 values
    assert "The file could have 2,000 bytes and has" in done.report()


def test_what_stands_in_the_way_is_told(network):
    with pytest.raises(ValueError, match=r"no file of 20 bytes can hold .*: with zeros alone"):
        run(for_size(bytes=20, steps=20), network)
    with pytest.raises(ValueError, match=r"no file of 55 bytes was found: with \d+ numbers left"):
        run(for_size(bytes=55, steps=20), network)
    with pytest.raises(ValueError, match="give validation="):
        run(for_size(bytes=400, steps=20), network, validation=None)
    with pytest.raises(ValueError, match="give validation="):
        run(for_quality(loss_at_most=0.1, steps=20), network, validation=None)


@pytest.mark.slow
@pytest.mark.usefixtures("few_trials")
def test_the_smallest_file_of_a_loss(network, monkeypatch):
    monkeypatch.setattr(to_quality, "_STAGES", 3)
    monkeypatch.setattr(to_size, "_VALUES", (to_size.Few("levels", 2),))
    done = run(for_quality(loss_at_most=0.15, steps=1500, learning_rate=1e-2), network)
    end = done.phases[-1]
    assert end.validation <= 0.15
    assert end.file_bytes < FLOAT32_BYTES / 12
    with pytest.raises(ValueError, match=r"no validation loss of 0\.0001 was reached"):
        run(for_quality(loss_at_most=1e-4, steps=60), network)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: for_size(), "give one of bytes and times_smaller"),
        (lambda: for_size(bytes=5, times_smaller=5), "give one of bytes and times_smaller"),
        (lambda: for_size(bytes=0), "bytes must be a number of bytes"),
        (lambda: for_size(times_smaller=1), "times_smaller must be"),
        (lambda: for_size(bytes=100, steps=0), "steps must be"),
        (lambda: for_quality(loss_at_most=float("nan")), "loss_at_most must be"),
    ],
)
def test_numbers_that_cannot_be_are_refused_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("few", "magnitudes"),
    [(("levels", 1), 1), (("levels", 3), 3), (("bits", 3), 3), (None, 672)],
)
def test_a_projection_is_the_file_that_would_be_written(network, few, magnitudes):
    params = start()
    quantize = None if few is None else Quantize(steps=0, quantizer=few[0], number=few[1])
    found = project(Trained(params), About(network=network), 0.3, quantize, 6, params)
    kernels = [found.rounded.params[name]["kernel"] for name in ("in", "out")]
    assert sum(map(np.count_nonzero, kernels)) <= round(0.3 * 672)
    assert all(len(np.unique(np.abs(w[w != 0]))) <= magnitudes for w in kernels)
    if few is None:
        for kernel, name in zip(kernels, ("in", "out"), strict=True):
            np.testing.assert_array_equal(kernel, found.pruned.params[name]["kernel"])
    assert found.file_bytes == file_bytes(found.rounded.params)
    # Weights are those that came in, or zero: rounding is left to training.
    for name in ("in", "out"):
        before, after = params[name]["kernel"], found.pruned.params[name]["kernel"]
        np.testing.assert_array_equal(jnp.where(after != 0, before, 0), after)


@pytest.mark.parametrize("first", [1e-4, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("fixed", [0, 40, 400])
def test_the_largest_density_that_fits(first, fixed):
    tried = []

    def make(density):
        tried.append(density)
        trained = Trained({"w": jnp.ones(3)})
        return Projected(density, trained, trained, round(fixed + 10_000 * density**0.8))

    found = largest_that_fits(make, 500, first)
    assert 0.97 * 500 <= found.file_bytes <= 500
    assert len(tried) == len(set(tried)) <= 16
    with pytest.raises(TooSmallError, match=f"no file of {max(1, fixed - 1)} bytes"):
        largest_that_fits(lambda d: make(d)._replace(file_bytes=fixed + 5), max(1, fixed - 1), 0.1)
    assert largest_that_fits(make, 20_000, 0.1).density == 1.0


@pytest.mark.parametrize("first", [1e-4, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("left", [0.003, 0.1, 0.9])
def test_densities_that_allow_more_weights_than_there_are(first, left):
    """All of these make the same file, which says nothing of how far the others are."""

    def make(density):
        trained = Trained({"w": jnp.ones(3)})
        return Projected(density, trained, trained, round(50 + 1e6 * min(density, left)))

    most = round(50 + 0.999e6 * left)  # one weight in a thousand is too much
    found = largest_that_fits(make, most, first)
    assert 0.98 * most <= found.file_bytes <= most


def test_recipes_of_one_number_are_recipes():
    recipe = for_size(bytes=100, steps=10)
    assert isinstance(recipe, Recipe)
    assert sum(phase.steps for phase in recipe.phases) == 10
    assert jax.tree.leaves(recipe) == [recipe]
