"""Shifts and flips: every output is a crop of its own image, and all crops are equally likely."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.data import shift_and_flip

HEIGHT, WIDTH, CHANNELS = 5, 7, 3


moved_by = jax.jit(shift_and_flip, static_argnames=("most", "flip"))


def distinct_images(n=300):
    """Images without zeros, no two of whose crops are the same."""
    shape = (n, HEIGHT, WIDTH, CHANNELS)
    return np.random.default_rng(9).uniform(0.5, 1, shape).astype(np.float32)


def crops(image, most):
    """All that `image` may become, by (row, column, flipped); written without JAX."""
    padded = np.pad(image, ((most, most), (most, most), (0, 0)))
    corners = itertools.product(range(2 * most + 1), repeat=2)
    return {
        (row, column, flipped): padded[row : row + HEIGHT, column : column + WIDTH][:, ::step]
        for row, column in corners
        for flipped, step in ((False, 1), (True, -1))
    }


def places(images, moved, most):
    """Which crop each image became."""
    found = []
    for image, result in zip(images, np.asarray(moved), strict=True):
        choices = crops(image, most)
        (equal,) = np.flatnonzero((np.stack(list(choices.values())) == result).all((1, 2, 3)))
        found.append(list(choices)[equal])
    return found


@pytest.mark.parametrize(("most", "dtype"), [(1, jnp.float32), (2, jnp.bfloat16), (4, jnp.uint8)])
def test_every_output_is_a_crop_of_its_own_image(most, dtype):
    images = distinct_images()
    images = (images * 255).astype(dtype) if dtype == jnp.uint8 else images.astype(dtype)
    moved = moved_by(jax.random.key(0), images, most=most)
    assert moved.dtype == dtype
    assert len(set(places(images, moved, most))) > 10


def test_all_shifts_and_flips_are_equally_likely_and_independent():
    n, most = 18_000, 1
    image = distinct_images(1)
    moved = np.asarray(moved_by(jax.random.key(1), np.tile(image, (n, 1, 1, 1)), most=most))
    counts = np.array([(moved == c).all((1, 2, 3)).sum() for c in crops(image[0], most).values()])
    assert counts.sum() == n
    expected = n / 18
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 40.8  # 17 degrees of freedom: 1 in 1,000 draws is above


def test_without_shifts_there_is_the_image_or_its_mirror():
    images = distinct_images()
    found = places(images, moved_by(jax.random.key(2), images, most=0), most=0)
    flips = sum(flipped for _, _, flipped in found)
    assert abs(flips - 150) < 4 * np.sqrt(300 / 4)


def test_the_standard_moves_up_to_four_pixels():
    images = distinct_images()
    found = places(images, moved_by(jax.random.key(3), images), most=4)
    for corner in zip(*found, strict=True):
        assert set(corner) in (set(range(9)), {False, True})


def test_a_key_fixes_the_result():
    images = distinct_images()
    one, same, other = (moved_by(jax.random.key(seed), images) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_it_can_be_mapped_over_keys():
    images, keys = distinct_images(), jax.random.split(jax.random.key(0), 3)
    each = [moved_by(key, images) for key in keys]
    np.testing.assert_array_equal(jax.vmap(moved_by, (0, None))(keys, images), each)


@pytest.mark.parametrize("shape", [(32, 32, 3), (2, 10, 32, 32, 3)])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"\[n, height, width, channels\], got \(\d+, "):
        shift_and_flip(jax.random.key(0), jnp.zeros(shape))


def test_negative_shifts():
    with pytest.raises(ValueError, match="most must be at least 0, got -1"):
        shift_and_flip(jax.random.key(0), distinct_images(2), most=-1)


def test_without_flips_no_image_is_mirrored():
    images = distinct_images()
    moved = moved_by(jax.random.key(3), images, most=1, flip=False)
    found = places(images, moved, 1)
    assert not any(flipped for _, _, flipped in found)
    assert len({(row, column) for row, column, _ in found}) == 9
