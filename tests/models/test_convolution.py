"""Convolution against that of XLA."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcomp.models.convolution import convolution
from tests.models.variables import random_variables


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def both(kernel_size, dtype=None, padding="VALID"):
    """A layer with this convolution, and one with that of XLA."""
    options = {"padding": padding, "dtype": dtype}
    return (
        nn.Conv(7, kernel_size, **options, conv_general_dilated=convolution),
        nn.Conv(7, kernel_size, **options),
    )


@pytest.mark.parametrize(
    ("padding", "kernel_size", "size"),
    [
        # One column of the result, fewer than are computed together, as many, and a part of them.
        *(("VALID", (2, 3), (5, width)) for width in (3, 5, 6, 9)),
        # Smaller than the kernel in both directions, in one, and in none.
        *(("SAME", (4, 3), size) for size in ((1, 1), (2, 2), (2, 5), (6, 1), (4, 3))),
    ],
)
def test_values_and_gradients_are_those_of_xla(padding, kernel_size, size):
    ours, of_xla = both(kernel_size, padding=padding)
    images = normal(2, *size, 4)
    params = random_variables(of_xla, images)

    def out_and_gradients(layer):
        def loss(params, images):
            out = layer.apply(params, images)
            return jnp.sum(jnp.square(out)), out

        gradients, out = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, images)
        return out, jax.tree.leaves(gradients)

    (out, gradients), (expected_out, expected) = map(out_and_gradients, (ours, of_xla))
    np.testing.assert_allclose(out, expected_out, rtol=1e-5, atol=1e-6)
    for got, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_it_computes_in_the_type_of_the_layer():
    ours, of_xla = both((5, 5), jnp.bfloat16)
    images = normal(2, 12, 12, 3)
    params = random_variables(of_xla, images)
    out = jax.jit(ours.apply)(params, images)
    assert out.dtype == jnp.bfloat16
    exact = jax.jit(both((5, 5))[1].apply)(params, images)
    np.testing.assert_allclose(np.asarray(out, np.float32), exact, atol=0.05)


@pytest.mark.parametrize(
    "asked",
    [{"padding": 1}, {"padding": "VALID", "strides": 2}, {"padding": "SAME", "strides": 2}],
)
def test_strides_and_other_paddings_are_refused(asked):
    layer = nn.Conv(1, (3, 3), **asked, conv_general_dilated=convolution)
    with pytest.raises(ValueError, match="strides of 1 and padding 'VALID' or 'SAME', got"):
        layer.init(jax.random.key(0), jnp.ones((1, 8, 8, 1)))


@pytest.mark.parametrize("size", [(2, 8), (8, 2)])
def test_images_smaller_than_the_kernel_are_refused(size):
    layer = nn.Conv(1, (3, 3), padding="VALID", conv_general_dilated=convolution)
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} are smaller .* 3 x 3"):
        layer.init(jax.random.key(0), jnp.ones((1, *size, 1)))
