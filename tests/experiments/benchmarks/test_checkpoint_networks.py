"""Networks that compression is measured on: trained once, and judged on data of their own."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

import jaxcomp
from experiments.benchmarks import checkpoint_networks, digit_networks, text_network
from experiments.benchmarks.dense_networks import Recipe, nested, per_example, trained
from experiments.benchmarks.packaged_data import packaged
from experiments.benchmarks.subject import BATCH, SPLITS, check_split, drawn
from jaxcomp.data import Examples
from jaxcomp.data.mnist import NAME, VERSION
from jaxcomp.trees import named_leaves

try:
    PREPARED = bool(tfds.builder(f"{NAME}:{VERSION}").info.splits)
except Exception:  # TFDS asks the network about data sets that it does not find
    PREPARED = False

RECIPE = Recipe("lenet_300_100", "two images", 2, batch_size=2, learning_rate=1e-3)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCOMP_CACHE_DIR", str(tmp_path))
    return tmp_path / "dense_networks" / "tiny.npz"


def two_images():
    images = np.linspace(0, 1, 2 * 16, dtype=np.float32).reshape(2, 4, 4, 1)
    return Examples(images, np.array([3, 7], np.int32))


def never():
    raise AssertionError("trained again")


def test_unknown_networks_and_splits_are_errors_that_list_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown network 'lenet'.*'lenet300_adamw'.*'g2p_en'"):
        checkpoint_networks.load("lenet")
    with pytest.raises(ValueError, match="validation, test, got 'train'"):
        check_split("train")


def test_a_draw_of_calibration_inputs_has_each_place_once():
    batches = drawn(0, 1_000, 3 * BATCH)
    assert [len(batch) for batch in batches] == [BATCH] * 3
    assert len(set(np.concatenate(batches).tolist())) == 3 * BATCH
    assert not np.array_equal(batches[0], drawn(1, 1_000, 3 * BATCH)[0])


@pytest.mark.parametrize("examples", [0, BATCH + 1, 4 * BATCH])
def test_a_draw_that_is_too_large_or_fills_no_batches_is_an_error(examples):
    with pytest.raises(ValueError, match=f"multiple of {BATCH} examples, at most 1000"):
        drawn(0, 1_000, examples)


@pytest.mark.usefixtures("standard_promotion")
def test_a_network_is_trained_once_for_each_recipe(cache):
    params = trained("tiny", RECIPE, two_images)
    assert params["Dense_0"]["kernel"].shape == (16, 300)
    assert params["Dense_0"]["kernel"].dtype == np.float32
    again = trained("tiny", RECIPE, never)
    for name, w in named_leaves(params).items():
        np.testing.assert_array_equal(named_leaves(again)[name], w)
    other = trained("tiny", RECIPE._replace(seed=1), two_images)
    assert (other["Dense_0"]["kernel"] != params["Dense_0"]["kernel"]).any()
    cache.write_bytes(cache.read_bytes()[:-1000])
    trained("tiny", RECIPE, two_images)
    trained("tiny", RECIPE, never)


def test_the_mean_is_over_all_examples_also_those_of_a_short_batch():
    images = two_images()
    five = Examples(np.concatenate([images.inputs] * 3)[:5], np.arange(5, dtype=np.int32))
    mean = per_example(lambda params, x: x + params["w"], lambda _, labels: labels, 2)
    assert mean({"w": np.float32(1)}, five) == 2


def test_names_become_folders():
    arrays = {"a/b": np.zeros(1), "a/c": np.ones(1), "d": np.ones(2)}
    params = nested(arrays)
    assert list(params) == ["a", "d"]
    assert named_leaves(params).keys() == arrays.keys()


def test_files_of_packages_are_found_or_said_how_to_get():
    assert packaged("numpy", np.__version__, "METADATA").read_text().startswith("Metadata")
    with pytest.raises(ImportError, match=r'numpy .* not 0\.1: pip install .* "numpy==0\.1"'):
        packaged("numpy", "0.1", "METADATA")
    with pytest.raises(ImportError, match="is not installed: pip install"):
        packaged("no-such-package-as-this", "1", "METADATA")
    with pytest.raises(FileNotFoundError, match=r"no file absent\.npz"):
        packaged("numpy", np.__version__, "absent.npz")


@pytest.mark.slow
@pytest.mark.skipif(not PREPARED, reason="MNIST is not prepared in TFDS_DATA_DIR")
@pytest.mark.usefixtures("cache", "standard_promotion")
def test_a_digit_network_calibrates_on_images_that_do_not_judge_it(monkeypatch):
    recipe = digit_networks.RECIPES["lenet300_l2"]._replace(steps=50)
    monkeypatch.setitem(digit_networks.RECIPES, "lenet300_l2", recipe)
    subject = checkpoint_networks.load("lenet300_l2")
    assert all(2 < subject.quality(subject.params, split) < 50 for split in SPLITS)
    batches = subject.batches(0)
    assert [batch[0].shape for batch in batches] == [(BATCH, 28, 28, 1)] * 8
    jaxcomp.trace(subject.apply, subject.params, *batches[0])
    held = {image.tobytes() for split in SPLITS for image in digit_networks._images()[split].inputs}
    shared = [image.tobytes() in held for image in np.concatenate([b[0] for b in batches])]
    assert not any(shared)


@pytest.mark.slow
@pytest.mark.usefixtures("cache", "standard_promotion")
def test_the_transformer_predicts_characters(monkeypatch):
    monkeypatch.setattr(text_network, "RECIPE", text_network.RECIPE._replace(steps=20))
    subject = checkpoint_networks.load("transformer")
    assert all(3 < subject.quality(subject.params, split) < 6 for split in SPLITS)
    assert [batch[0].shape for batch in subject.batches(0)] == [(BATCH, 64)] * 8
