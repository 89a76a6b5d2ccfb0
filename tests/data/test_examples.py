"""Batches and splits."""

import itertools

import numpy as np
import pytest

from jaxcomp.data import Examples, batches, digits, shuffled_batches


def numbered(size):
    return Examples(np.arange(size, dtype=np.float32).reshape(-1, 1, 1, 1), np.arange(size))


def test_batches_are_all_examples_in_order_with_a_short_last_one():
    parts = list(batches(numbered(10), 4))
    assert [len(part.labels) for part in parts] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), np.arange(10))


def test_shuffled_batches_pass_over_all_full_batches_in_a_new_order_each_time():
    stream = shuffled_batches(numbered(10), 4, seed=0)
    passes = [np.concatenate([next(stream).labels for _ in range(2)]) for _ in range(3)]
    assert all(len(set(labels)) == 8 for labels in passes)
    assert not np.array_equal(passes[0], passes[1])


def test_a_pass_that_batches_divide_has_every_example_once():
    stream = shuffled_batches(numbered(12), 4, seed=0)
    for _ in range(2):
        labels = np.concatenate([next(stream).labels for _ in range(3)])
        np.testing.assert_array_equal(np.sort(labels), np.arange(12))


def test_images_stay_with_their_labels():
    for batch in itertools.islice(shuffled_batches(numbered(10), 3, seed=0), 7):
        np.testing.assert_array_equal(batch.inputs.ravel(), batch.labels)


def test_a_seed_fixes_the_order():
    one, same, other = (
        np.stack([b.labels for b in itertools.islice(shuffled_batches(numbered(20), 5, seed), 8)])
        for seed in ((0, 1), (0, 1), (0, 2))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_batch_sizes_that_do_not_fit(batch_size):
    message = "batch size 11 does not fit .* 10 examples|batch_size must be .* at least 1, got"
    with pytest.raises(ValueError, match=message):
        next(shuffled_batches(numbered(10), batch_size, seed=0))


def test_digits_are_split_without_overlap():
    splits = digits(seed=0)
    assert [len(part.labels) for part in splits] == [1257, 180, 360]
    rows = np.concatenate([part.inputs.reshape(len(part.labels), -1) for part in splits])
    assert len(np.unique(rows, axis=0)) == 1797  # no two of the digits are the same
    assert rows.dtype == np.float32
    assert (rows.min(), rows.max()) == (0, 1)
    assert all(set(part.labels) == set(range(10)) for part in splits)


def test_the_split_depends_on_its_seed_only():
    np.testing.assert_array_equal(digits(3).test.inputs, digits(3).test.inputs)
    assert not np.array_equal(digits(3).test.inputs, digits(4).test.inputs)


def test_joined_has_the_examples_of_both_in_order():
    one, other = numbered(5), numbered(3)
    both = one.joined(other)
    np.testing.assert_array_equal(both.labels, [0, 1, 2, 3, 4, 0, 1, 2])
    np.testing.assert_array_equal(both.inputs.ravel(), both.labels)
