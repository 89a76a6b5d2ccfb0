"""MNIST: pixels / 255, splits, the cache, and what a machine without the data is told."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxcomp.data.mnist import NAME, VERSION, mnist

try:
    PREPARED = bool(tfds.builder(f"{NAME}:{VERSION}").info.splits)
except Exception:  # TFDS asks the network about data sets that it does not find
    PREPARED = False


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCOMP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / f"{NAME}-{VERSION}.npz"


@pytest.fixture
def unprepared(tmp_path, monkeypatch):
    """An empty folder in place of TFDS_DATA_DIR, which TFDS reads when it is imported."""
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "empty"))


@pytest.fixture
def synthetic(cache):
    """A cache with arrays of MNIST's shapes; each image says its index in its first pixels."""
    arrays = {}
    for split, size in (("train", 60_000), ("test", 10_000)):
        images = np.zeros((size, 28, 28, 1), np.uint8)
        images[:, 0, :3, 0] = np.arange(size)[:, None] // 256 ** np.arange(3) % 256
        arrays |= {f"{split}_images": images, f"{split}_labels": np.arange(size) % 10}
    cache.parent.mkdir()
    np.savez(cache, **arrays)
    return arrays


def indices(examples):
    return np.rint(examples.inputs[:, 0, :3, 0] * 255) @ 256 ** np.arange(3)


def test_validation_is_drawn_from_training_and_test_is_left_alone(synthetic):
    splits = mnist(seed=1)
    train, validation, test = map(indices, splits)
    assert (len(train), len(validation)) == (55_000, 5_000)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(60_000))
    np.testing.assert_array_equal(test, np.arange(10_000))
    np.testing.assert_array_equal(splits.train.labels, train % 10)
    assert set(indices(mnist(seed=2).validation)) != set(validation)


def test_pixels_are_divided_by_255_and_nothing_else(synthetic):
    expected = synthetic["test_images"].astype(np.float32) / 255
    np.testing.assert_array_equal(mnist().test.inputs, expected)
    assert mnist().test.inputs.dtype == np.float32


@pytest.mark.usefixtures("synthetic", "unprepared")
@pytest.mark.parametrize("damage", ["cut off", "foreign", "other shapes"])
def test_a_damaged_cache_is_not_used(cache, damage):
    if damage == "cut off":
        cache.write_bytes(cache.read_bytes()[:-1000])
    elif damage == "foreign":
        cache.write_bytes(b"not an archive")
    else:
        np.savez(cache, train_images=np.zeros(3))
    with pytest.raises(FileNotFoundError):
        mnist()


@pytest.mark.usefixtures("unprepared")
def test_data_that_is_not_prepared_is_answered_with_the_command(cache):
    with pytest.raises(
        FileNotFoundError, match=r"empty.*\[prepare\].*mnist:3\.0\.1.*TFDS_DATA_DIR"
    ):
        mnist()
    assert not cache.exists()


@pytest.mark.slow
@pytest.mark.skipif(not PREPARED, reason="MNIST is not prepared in TFDS_DATA_DIR")
def test_the_real_data_is_decoded_once(cache):
    splits = mnist()
    assert cache.exists()
    # Known of the real set: means and standard deviations over all training pixels.
    pixels = np.concatenate([splits.train.inputs, splits.validation.inputs])
    np.testing.assert_allclose(pixels.mean(), 0.1307, atol=1e-4)
    np.testing.assert_allclose(pixels.std(), 0.3081, atol=1e-4)
    assert list(splits.test.labels[:5]) == [2, 0, 4, 8, 7]
