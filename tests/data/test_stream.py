"""Streamed images: what is read, in which order, and by whom."""

import itertools

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxcomp.data import Stream, imagenet
from jaxcomp.data.stream import center, random_crop
from tests.data.fabricated import SIZES, image, write_imagenet

ROWS = [{"image": image(index), "label": index} for index in range(40)]


@pytest.fixture
def stream():
    return Stream(ROWS, np.arange(30), size=16)


def flat(lists):
    return list(itertools.chain.from_iterable(lists))


def labels(batches, count):
    return [batch.labels.tolist() for batch in itertools.islice(batches, count)]


def test_images_are_judged_once_in_order_by_their_middle(stream):
    given = list(stream.batches(8))
    assert [len(batch.labels) for batch in given] == [8, 8, 8, 6]
    assert np.concatenate([batch.labels for batch in given]).tolist() == list(range(30))
    images = np.concatenate([batch.inputs for batch in given])
    assert images.shape == (30, 16, 16, 3)
    assert (images.dtype, given[0].labels.dtype) == (np.float32, np.int32)
    np.testing.assert_allclose(
        images[..., 0],
        np.broadcast_to((5 * np.arange(30) / 255)[:, None, None], (30, 16, 16)),
        atol=1e-6,
    )
    # The middle of what goes from 0 to 1, as wide as 7/8 of the height.
    np.testing.assert_allclose(images[..., 1].mean(axis=(1, 2)), 0.5, atol=0.01)
    spread = images[..., 1].max(axis=(1, 2)) - images[..., 1].min(axis=(1, 2))
    widths = np.array([0.875 * (20 + i % 7) / (40 - i % 5) for i in range(30)])
    np.testing.assert_allclose(spread, widths, atol=0.05)


def test_a_pass_has_each_example_once_and_the_next_one_another_order(stream):
    order = flat(labels(stream.shuffled_batches(5, seed=3), 12))
    for half in (order[:30], order[30:]):
        assert sorted(half) == list(range(30))
    assert order[:30] != order[30:] != sorted(order[30:])
    assert flat(labels(stream.shuffled_batches(5, seed=4), 6)) != order[:30]


def test_going_on_sees_what_going_through_would_have_seen(stream):
    through = list(itertools.islice(stream.shuffled_batches(5, seed=3), 9))
    on = list(itertools.islice(stream.shuffled_batches(5, seed=3, start=4), 5))
    for one, other in zip(through[4:], on, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.inputs, other.inputs)


def test_parts_make_up_the_batch(stream):
    whole = labels(stream.shuffled_batches(6, seed=1), 7)
    parts = [labels(stream.shuffled_batches(6, seed=1, part=(n, 3)), 7) for n in range(3)]
    for batch, *own in zip(whole, *parts, strict=True):
        assert [len(part) for part in own] == [2, 2, 2]
        assert sorted(flat(own)) == sorted(batch)


def test_crops_differ_and_stay_inside():
    rng = np.random.default_rng(0)
    boxes = np.array([random_crop((300, 400, 3), rng) for _ in range(2_000)])
    left, top, right, bottom = boxes.T
    assert min(left.min(), top.min()) >= 0
    assert right.max() <= 400
    assert bottom.max() <= 300
    area = (right - left) * (bottom - top) / (300 * 400)
    ratio = (right - left) / (bottom - top)
    assert 0.08 <= area.min() < 0.1
    assert 0.9 < area.max() <= 1
    assert 0.75 <= ratio.min() < 0.77
    assert 1.3 < ratio.max() <= 4 / 3 + 1e-9
    assert random_crop((10, 1_000, 3), rng) == center((10, 1_000, 3))


def test_batches_that_do_not_fit(stream):
    with pytest.raises(ValueError, match="batches of 5 examples cannot be divided into 2"):
        next(stream.shuffled_batches(5, seed=0, part=(0, 2)))
    with pytest.raises(ValueError, match="batch size 31 does not fit a split of 30 examples"):
        next(stream.shuffled_batches(31, seed=0))


def test_both_splits_are_all_examples():
    parts = [Stream(ROWS, np.arange(*ends), size=4) for ends in ((0, 9), (9, 20))]
    given = labels(parts[0].joined(parts[1]).batches(20), 2)
    assert given == [list(range(20))]


def test_imagenet_as_tfds_prepares_it(tmp_path, monkeypatch):
    write_imagenet(tmp_path)
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    splits = imagenet(seed=0, size=16)
    assert [split.number for split in splits] == [39, 1, SIZES["validation"]]
    (test,) = splits.test.batches(100)
    assert test.labels.tolist() == list(range(6))
    np.testing.assert_allclose(test.inputs[5, :, :, 0].mean(), 25 / 255, atol=0.01)  # JPEG
    seen = [next(split.batches(100)).labels.tolist() for split in splits[:2]]
    assert sorted(flat(seen)) == list(range(40))
    assert next(imagenet(seed=1, size=16).validation.batches(9)).labels.tolist() != seen[1]


def test_a_machine_without_imagenet_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"imagenet2012 5\.1\.0 is not prepared in"):
        imagenet()
