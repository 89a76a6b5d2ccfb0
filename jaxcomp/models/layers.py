"""Makes the convolution of deep networks, and the normalization after it."""

from functools import partial
from typing import Any

import flax.linen as nn

KERNEL_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def conv_and_norm(dtype: Any, train: bool) -> tuple[partial[nn.Conv], partial[nn.BatchNorm]]:
    """Return a convolution without bias and a batch normalization, to be called with the rest.

    Weights start as in He et al., arXiv 1502.01852, by the number of outputs. With `train`, the
    statistics of the batch normalize, and the running ones in `batch_stats` move a tenth of the way
    to them. Both layers compute in `dtype`, statistics in float32. With None, `dtype` is the type
    of their inputs and parameters.
    """
    conv = partial(nn.Conv, use_bias=False, kernel_init=KERNEL_INIT, dtype=dtype)
    norm = partial(
        nn.BatchNorm, use_running_average=not train, momentum=0.9, epsilon=1e-5, dtype=dtype
    )
    return conv, norm
