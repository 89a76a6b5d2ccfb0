"""Text as examples: what comes next, and no poem in two splits."""

import numpy as np
import pytest

from jaxcomp.data import sonnets
from jaxcomp.data.sonnets import LENGTH, POEMS, characters


@pytest.fixture(scope="module")
def splits():
    return sonnets(0)


def text_of(rows):
    alphabet = np.array(list(characters()))
    return "".join(alphabet[np.concatenate(rows)])


def test_labels_are_the_next_characters(splits):
    for part in splits:
        assert part.inputs.shape == part.labels.shape == (len(part.labels), LENGTH)
        assert part.inputs.dtype == part.labels.dtype == np.int32
        np.testing.assert_array_equal(part.inputs[:, 1:], part.labels[:, :-1])


def test_no_poem_is_in_two_splits_and_each_character_of_the_test_is_predicted_once(splits):
    held_out = [text_of(part.labels) for part in (splits.validation, splits.test)]
    stride = splits.train.inputs[:, :8]
    train = text_of(stride)
    for text in held_out:
        lines = text.split("\n")[1:-1]
        assert len(lines) > 14 * 14
        assert not [line for line in lines if len(line) > 10 and line in train]
    assert len(train) + sum(map(len, held_out)) > 0.99 * 94_653


def test_the_seed_draws_the_poems(splits):
    other = sonnets(1)
    assert not np.array_equal(other.test.inputs[0], splits.test.inputs[0])
    np.testing.assert_array_equal(sonnets(0).test.inputs, splits.test.inputs)
    assert len(characters()) == 61
    assert POEMS == 154
