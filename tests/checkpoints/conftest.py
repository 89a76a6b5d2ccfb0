"""An example that tests of several formats take."""

import ml_dtypes
import numpy as np
import pytest


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "layer.0.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "layer.0.bias": np.zeros(4, np.float16),
        "half": np.ones((2, 2), ml_dtypes.bfloat16),
        "step": np.array(7),
    }
