"""Reads the 1,797 digits of 8 x 8 pixels that scikit-learn bundles: data without a download."""

import numpy as np

from jaxcomp.data.examples import Examples, take
from jaxcomp.data.splits import Splits


def digits(seed: int = 0) -> Splits[Examples]:
    """Return train (1,257), validation (180) and test (360) splits, drawn by `seed`; pixels / 16.

    Raises:
      ImportError: if scikit-learn is not installed.

    Example:
      >>> from jaxcomp.data import digits
      >>> splits = digits(seed=0)
      >>> splits.train.inputs.shape, splits.validation.number, splits.test.number
      ((1257, 8, 8, 1), 180, 360)
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
