"""Pooling against that of Flax."""

import flax.linen as nn
import numpy as np

from jaxcomp.models.pooling import max_pool_2x2


def test_pooling_by_two_is_that_of_flax():
    x = np.random.default_rng(1).normal(size=(2, 6, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(max_pool_2x2(x), nn.max_pool(x, (2, 2), strides=(2, 2)))
