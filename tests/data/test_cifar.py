"""CIFAR-10, its copy and CIFAR-100: splits, the cache, what a machine without them is told."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxcomp.data import DATASETS, cifar10, cifar10_jpeg
from jaxcomp.data.cifar import CIFAR10, CIFAR10_JPEG, CIFAR100

SOURCES = (CIFAR10, CIFAR10_JPEG)


def prepared(source):
    try:
        return bool(tfds.builder(f"{source.name}:{source.version}").info.splits)
    except Exception:  # TFDS asks the network about data sets that it does not find
        return False


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCOMP_CACHE_DIR", str(tmp_path))
    yield tmp_path
    for archive in tmp_path.glob("*.npz"):  # of 184 MB each, and pytest keeps such folders
        archive.unlink()


@pytest.fixture
def unprepared(cache, monkeypatch):
    """An empty folder in place of TFDS_DATA_DIR, which TFDS reads when it is imported."""
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(cache / "empty"))


@pytest.fixture(params=(*SOURCES, CIFAR100), ids=lambda source: source.name)
def synthetic(request, cache):
    """A name whose cache has arrays in which each image says its index in its first pixel."""
    arrays = {}
    for split, size in (("train", 50_000), ("test", 10_000)):
        images = np.zeros((size, 32, 32, 3), np.uint8)
        images[:, 0, 0] = np.arange(size)[:, None] // 256 ** np.arange(3) % 256
        arrays |= {f"{split}_images": images, f"{split}_labels": np.arange(size) % 100}
    np.savez(cache / f"{request.param.name}-{request.param.version}.npz", **arrays)
    return request.param.name


def indices(examples):
    return np.rint(examples.inputs[:, 0, 0] * 255) @ 256 ** np.arange(3)


def test_validation_is_drawn_from_training_and_test_is_left_alone(synthetic):
    splits = DATASETS[synthetic].load(1)
    train, validation, test = map(indices, splits)
    assert (len(train), len(validation)) == (45_000, 5_000)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(50_000))
    np.testing.assert_array_equal(test, np.arange(10_000))
    np.testing.assert_array_equal(splits.train.labels, train % 100)
    for part in splits:
        assert part.inputs.shape == (len(part.labels), 32, 32, 3)
        assert (part.inputs.dtype, part.labels.dtype) == (np.float32, np.int32)
    assert set(indices(DATASETS[synthetic].load(2).validation)) != set(validation)


@pytest.mark.usefixtures("unprepared")
def test_the_original_that_is_not_prepared_is_answered_with_the_command():
    with pytest.raises(
        FileNotFoundError, match=r"empty.*\[prepare\].*'cifar10:3\.0\.2'.*TFDS_DATA_DIR"
    ):
        cifar10()


@pytest.mark.usefixtures("unprepared")
def test_the_copy_that_is_not_there_is_answered_without_a_command_that_cannot_work():
    with pytest.raises(
        FileNotFoundError,
        match=r"^cifar10_jpeg 1\.0\.0 is not prepared in .*empty\. Point TFDS_DATA_DIR to a folder",
    ):
        cifar10_jpeg()


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_real_data_is_decoded_once(source, cache):
    if not prepared(source):
        pytest.skip(f"{source.name} is not prepared in TFDS_DATA_DIR")
    splits = DATASETS[source.name].load(0)
    assert (cache / f"{source.name}-{source.version}.npz").exists()
    train = np.concatenate([splits.train.inputs, splits.validation.inputs])
    means = train.mean((0, 1, 2), np.float64)
    deviations = np.sqrt(np.square(train, out=train).mean((0, 1, 2), np.float64) - means**2)
    # Known of the original: means and deviations of the colors; the copy is smoother.
    tolerance = 1e-4 if source is CIFAR10 else 2e-3
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=tolerance)
    np.testing.assert_allclose(deviations, [0.2470, 0.2435, 0.2616], atol=tolerance)
    labels = np.concatenate([splits.train.labels, splits.validation.labels])
    np.testing.assert_array_equal(np.bincount(labels), [5_000] * 10)
    np.testing.assert_array_equal(np.bincount(splits.test.labels), [1_000] * 10)
