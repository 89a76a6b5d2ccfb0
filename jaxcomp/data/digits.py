"""The 1,797 digits of 8 x 8 pixels that scikit-learn bundles: real data without a download."""

import numpy as np

from jaxcomp.data.examples import Examples, take
from jaxcomp.data.splits import Splits


def digits(seed: int = 0) -> Splits[Examples]:
    """Train (1,257), validation (180) and test (360) splits, drawn by `seed`; pixels / 16.

    Raises:
      ImportError: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            'the digits are part of scikit-learn: pip install "scikit-learn"'
        ) from error
    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)[..., None]
    examples = Examples(images, bunch.target.astype(np.int32))
    order = np.random.default_rng(seed).permutation(len(examples.labels))
    test, validation, train = np.split(order, [360, 540])
    return Splits(take(examples, train), take(examples, validation), take(examples, test))
