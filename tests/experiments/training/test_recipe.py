"""The recipe: with a narrow start, with batch norm, and by either loop."""

import jax
import numpy as np
import pytest

import jaxcomp
from experiments.report.evaluation import error
from experiments.settings.flags import DEFAULT, load
from experiments.settings.settings import settings_of
from experiments.training.objective import classification_metrics
from experiments.training.recipe import train_and_compress
from jaxcomp.data import Examples, Splits, Stream, digits
from jaxcomp.models import MODELS
from jaxcomp.quantize import step_of_bits
from jaxcomp.recipe.watch import UNWATCHED, Watch
from jaxcomp.trees import select
from tests.models.normalized import Normalized


@pytest.fixture(scope="module")
def run():
    """Outcome of a short run from 20 and 10 units, and what was watched."""
    config = load(DEFAULT)
    config.update_from_flattened_dict(
        {
            "train.steps": 20,
            "distill.weight": 0.5,
            "penalty.steps": 200,
            "prune.steps": 100,
            "prune.widths": (20, 10),
            "prune.density": 0.02,
            "finetune.steps": 5,
            "quantize.steps": 20,
            "quantize.by_layer": (3, 1, 2),
            "settle.steps": 5,
            "stored": "bfloat16",
        }
    )
    seen, ends = [], []

    def watch(phase, to_params):
        return lambda state: seen.append((phase, to_params(state)))

    def done(phase, end):
        ends.append((phase, int(end.step)))

    with jax.numpy_dtype_promotion("standard"):
        outcome = train_and_compress(settings_of(config), digits(0), Watch(watch, done=done))
    return outcome, seen, ends


def shapes(params):
    return jax.tree.map(np.shape, params)


def test_all_that_is_seen_has_the_shapes_of_the_whole_network(run):
    outcome, seen, _ = run
    expected = shapes(outcome.dense)
    assert all(shapes(params) == expected for params in outcome)
    phases = list(dict.fromkeys(phase for phase, _ in seen))
    assert phases == ["dense", "penalty", "fine-tune", "quantize", "settle"]
    assert all(shapes(params) == expected for _, params in seen)


def test_the_end_of_each_phase_is_told(run):
    _, _, ends = run
    assert ends == [
        ("dense", 20),
        ("penalty", 200),
        ("fine-tune", 5),
        ("gap", 0),
        ("quantize", 20),
        ("settle", 5),
    ]


def test_as_many_weights_as_asked_for_in_the_first_units(run):
    outcome, *_ = run
    weights = select(outcome.penalized, None)
    assert sum(np.count_nonzero(w) for w in weights) == round(0.02 * 50_200)
    first, second, _ = weights
    assert not np.asarray(first)[:, 20:].any()
    assert not np.asarray(second)[20:].any()
    assert not np.asarray(second)[:, 10:].any()
    assert np.count_nonzero(outcome.compressed["Dense_0"]["kernel"]) > 0


def test_biases_are_trained_as_multiples_of_a_step(run):
    outcome, *_ = run
    for layer in outcome.quantized.values():
        bias = layer["bias"]
        numbers = np.asarray(bias / step_of_bits(bias, 5))
        assert np.any(numbers)
        np.testing.assert_allclose(numbers, np.round(numbers), atol=1e-4)


def test_arrays_have_the_type_that_they_are_stored_in(run):
    outcome, *_ = run
    assert {w.dtype for w in jax.tree.leaves(outcome.quantized)} == {np.dtype("float32")}
    assert {w.dtype for w in jax.tree.leaves(outcome.compressed)} == {jax.numpy.bfloat16.dtype}
    for layer in outcome.compressed.values():
        numbers = np.asarray(layer["bias"] / step_of_bits(layer["bias"], 5), np.float32)
        np.testing.assert_allclose(numbers, np.round(numbers), atol=0.1)


def test_each_layer_has_its_number_of_levels(run):
    outcome, *_ = run
    kernels = [np.abs(w[w != 0]) for w in select(outcome.compressed, None)]
    assert [np.unique(kernel).size for kernel in kernels] == [3, 1, 2]


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_biases_that_the_next_can_stand_in_for_stay_zero_once_folded():
    rng = np.random.default_rng(0)
    images = rng.random((256, 28, 28, 1)).astype(np.float32)
    split = Examples(images, rng.integers(10, size=256).astype(np.int32))
    config = load(DEFAULT)
    config.update_from_flattened_dict(
        {
            "model": "lenet_5_caffe",
            "data.name": "mnist",
            "train.steps": 1,
            "distill.weight": 0.0,
            "penalty.steps": 5,
            "prune.steps": 2,
            "prune.density": 0.001,
            "prune.widths": (3, 4, 5),
            "finetune.steps": 5,
            "quantize.steps": 5,
        }
    )
    outcome = train_and_compress(settings_of(config), Splits(split, split, split), UNWATCHED)
    for network in (outcome.quantized, outcome.compressed):
        with_bias = {name for name, layer in network.items() if np.any(layer["bias"])}
        assert with_bias == {"Dense_0", "Dense_1"}
    assert all(np.any(layer["bias"]) for layer in outcome.penalized.values())


@pytest.fixture(autouse=True, scope="module")
def normalized():
    """A small network with batch norm among the models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "normalized", Normalized)
        yield


def with_batch_norm(**changes):
    """Settings of a short run of a network with batch norm, by SGD in bfloat16."""
    config = load(DEFAULT)
    config.update_from_flattened_dict(
        {
            "model": "normalized",
            "optimizer": "sgd",
            "precision": "bfloat16",
            "data.shift": 1,
            "train.steps": 150,
            "train.learning_rate": 0.05,
            "train.l2": 1e-4,
            "distill.weight": 0.5,
            "penalty.name": "none",
            "penalty.level_strength": 0.0,
            "penalty.start": "dense",
            "penalty.steps": 150,
            "penalty.learning_rate": 0.05,
            "prune.steps": 100,
            "prune.density": 0.5,
            "finetune.steps": 0,
            "quantize.number": 2,
            "quantize.steps": 150,
            "stored": "bfloat16",
            "biases.bits": 0,
            **changes,
        }
    )
    return config


SHORT = {
    "precision": "float32",
    "train.steps": 10,
    "penalty.steps": 10,
    "prune.steps": 10,
    "quantize.steps": 10,
    "look_every": 5,
}


@pytest.fixture(scope="module")
def alone():
    """What one device makes of a few steps, which Python calls."""
    with jax.numpy_dtype_promotion("standard"):
        config = with_batch_norm(**SHORT, loop="python")
        return train_and_compress(settings_of(config), digits(0), UNWATCHED)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_statistics_of_batch_norm_are_part_of_what_is_stored(tmp_path):
    splits = digits(0)
    settings = settings_of(with_batch_norm(**{"biases.bits": 5}))
    outcome = train_and_compress(settings, splits, UNWATCHED)
    metrics = classification_metrics(Normalized().apply)
    for params in outcome:  # of guessing, 90 % are wrong
        assert error(metrics, params, splits.validation) < 25
    assert np.count_nonzero(outcome.quantized["Conv_0"]["kernel"]) < 72
    assert len(np.unique(np.abs(outcome.quantized["Dense_0"]["kernel"]))) == 3
    jaxcomp.save(tmp_path / "model.jxc", outcome.compressed)
    back = jaxcomp.load(tmp_path / "model.jxc")
    jax.tree.map(np.testing.assert_array_equal, back, outcome.compressed)
    # Merging the statistics moves biases off the multiples that they were trained as.
    for network, are_multiples in ((outcome.quantized, False), (outcome.compressed, True)):
        bias = network["BatchNorm_0"]["bias"]
        numbers = np.asarray(bias / step_of_bits(bias, 5), np.float32)
        assert np.allclose(numbers, np.round(numbers), atol=0.1) == are_multiples


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_both_loops_make_the_same_network(alone):
    settings = settings_of(with_batch_norm(**SHORT, loop="device"))
    on_the_device = train_and_compress(settings, digits(0), UNWATCHED)
    for by_python, by_device in zip(alone, on_the_device, strict=True):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
            by_python,
            by_device,
        )


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("loop", ["python", "device"])
def test_eight_devices_make_the_network_of_one(alone, loop):
    config = with_batch_norm(**SHORT, loop=loop)
    rules = (("Conv_0/kernel$", (None, None, None, "model")), ("Dense_0/kernel$", ("fsdp", None)))
    config.mesh.update({"data": 2, "fsdp": 2, "model": 2, "rules": rules})
    spread = train_and_compress(settings_of(config), digits(0), UNWATCHED)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        spread.dense,
        alone.dense,
    )
    for one, other in zip(spread, alone, strict=True):
        counts = [sum(np.count_nonzero(w) for w in select(p, None)) for p in (one, other)]
        assert counts[0] == counts[1]


@pytest.mark.usefixtures("standard_promotion")
def test_a_batch_that_cannot_be_spread_is_named():
    config = with_batch_norm(**{"mesh.data": 8, "batch_size": 60})
    with pytest.raises(ValueError, match="batch_size=60 cannot be spread over the 8 devices"):
        train_and_compress(settings_of(config), digits(0), UNWATCHED)


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_streamed_images_on_eight_devices_make_the_network_of_one():
    rng = np.random.default_rng(0)
    rows = [
        {"image": rng.integers(0, 256, (20, 24, 3), np.uint8), "label": index % 10}
        for index in range(40)
    ]
    splits = Splits(*(Stream(rows, np.arange(*ends), 8) for ends in ((0, 32), (32, 36), (36, 40))))
    short = {"train.steps": 6, "penalty.steps": 6, "prune.steps": 6, "quantize.steps": 0}
    config = with_batch_norm(
        **{**short, "precision": "float32", "batch_size": 16, "data.shift": 0, "data.flip": True}
        | {"distill.weight": 0.0}
    )
    alone = train_and_compress(settings_of(config), splits, UNWATCHED)
    config.mesh.update({"data": 4, "fsdp": 2})
    spread = train_and_compress(settings_of(config), splits, UNWATCHED)
    for one, other in zip(alone, spread, strict=True):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), one, other
        )
