"""A field holds for all entries of its array: each rule agrees with the same done to the array."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.tracing import fields
from jaxcomp.tracing.primitives import reshape_groups

SHAPE = (2, 3, 4)


def every_field():
    """Fields of an array [2, 3, 4], long along some of its axes."""
    rng = np.random.default_rng(0)
    for long in itertools.product([False, True], repeat=3):
        yield rng.integers(0, 9, [n if own else 1 for n, own in zip(SHAPE, long, strict=True)])


def spread(field, shape):
    return np.broadcast_to(field, shape)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((2, 3, 4), (6, 4)),
        ((2, 3, 4), (2, 12)),
        ((2, 3, 4), (24,)),
        ((2, 3, 4), (4, 3, 2)),
        ((2, 3, 4), (2, 3, 2, 2)),
        ((2, 3, 4), (1, 2, 1, 3, 4, 1)),
        ((2, 3, 4), (3, 8)),
    ],
)
def test_reshape(before, after):
    groups = list(reshape_groups(before, after))
    assert [a for left, _ in groups for a in left] == list(range(len(before)))
    assert [a for _, right in groups for a in right] == list(range(len(after)))
    for field in every_field():
        result = fields.reshape(field, before, after)
        np.testing.assert_array_equal(spread(result, after), spread(field, before).reshape(after))


def test_reshape_of_axes_of_one_and_of_none():
    assert list(reshape_groups((1, 3), (3, 1))) == [([0], []), ([1], [0]), ([], [1])]
    for before, after in (((1, 1), ()), ((), (1,)), ((0, 3), (3, 0)), ((2, 0), (0,))):
        for shape in ((1,) * len(before), before):
            field = fields.reshape(np.zeros(shape), before, after)
            assert spread(field, after).shape == after


@pytest.mark.parametrize("seed", range(20))
def test_slices_and_padding(seed):
    rng = np.random.default_rng(seed)
    starts = [int(rng.integers(0, n)) for n in SHAPE]
    limits = [int(rng.integers(start, n + 1)) for start, n in zip(starts, SHAPE, strict=True)]
    strides = [int(n) for n in rng.integers(1, 3, 3)]
    index = tuple(slice(*one) for one in zip(starts, limits, strides, strict=True))
    config = [
        (int(low), int(high), int(inner))
        for low, high, inner in zip(
            *rng.integers(-1, 3, (2, 3)), rng.integers(0, 2, 3), strict=True
        )
    ]
    padded = jax.eval_shape(
        lambda x: jax.lax.pad(x, jnp.int32(7), config), jax.ShapeDtypeStruct(SHAPE, jnp.int32)
    ).shape
    # Where each entry of the padded array comes from.
    numbers = np.arange(24).reshape(SHAPE)
    origin = np.asarray(jax.lax.pad(jnp.asarray(numbers), -1, config))
    for field in every_field():
        whole = spread(field, SHAPE)
        cut = fields.cut(field, SHAPE, starts, limits, strides)
        np.testing.assert_array_equal(spread(cut, whole[index].shape), whole[index])
        placed = np.full(SHAPE, -1)
        placed[index] = whole[index]
        result = fields.place(cut, SHAPE, starts, limits, strides, fill=-1)
        np.testing.assert_array_equal(spread(result, SHAPE), placed)
        expected = np.where(origin < 0, 7, whole.ravel()[origin])
        result = fields.pad(field, SHAPE, config, 7)
        np.testing.assert_array_equal(spread(result, padded), expected)
        back = np.full(24, 7)
        back[origin[origin >= 0]] = expected[origin >= 0]
        result = spread(fields.unpad(result, SHAPE, config, 7), SHAPE)
        np.testing.assert_array_equal(result, back.reshape(SHAPE))


@pytest.mark.parametrize("axis", range(3))
def test_join_and_split(axis):
    for one, other in itertools.product(every_field(), repeat=2):
        joined = fields.join([one, other], [SHAPE, SHAPE], axis)
        expected = np.concatenate([spread(one, SHAPE), spread(other, SHAPE)], axis)
        np.testing.assert_array_equal(spread(joined, expected.shape), expected)
        for part, field in zip(
            fields.split(joined, [SHAPE, SHAPE], axis), (one, other), strict=True
        ):
            np.testing.assert_array_equal(spread(part, SHAPE), spread(field, SHAPE))


def test_broadcast_and_back():
    dimensions, after = (0, 2, 3), (2, 5, 3, 4)
    for field in every_field():
        result = fields.broadcast(field, dimensions, 4)
        expected = spread(spread(field, SHAPE)[:, None], after)
        np.testing.assert_array_equal(spread(result, after), expected)
        np.testing.assert_array_equal(fields.unbroadcast(result, dimensions, SHAPE, np.max), field)
    # One entry of the argument is needed where any of its copies is.
    needed = np.zeros((1, 5, 3, 1), bool)
    needed[0, 2, 1] = True
    assert fields.unbroadcast(needed, (1,), (1,)).tolist() == [True]
    assert fields.unbroadcast(needed, (), ()).tolist() is True
    assert fields.unbroadcast(needed, (2,), (3,)).tolist() == [False, True, False]
