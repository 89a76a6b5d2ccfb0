"""Streams ImageNet (ILSVRC 2012) as TFDS prepares it."""

import numpy as np

from jaxcomp.data.prepared import rows_of
from jaxcomp.data.splits import Splits
from jaxcomp.data.stream import Stream

NAME, VERSION = "imagenet2012", "5.1.0"
_VALIDATION = 100  # one of so many training examples is for validation


def imagenet(seed: int = 0, size: int = 224) -> Splits[Stream]:
    """Return streams of ImageNet's 1,281,167 training images, a hundredth of them for validation.

    The test split is the validation set of the literature, 50,000 images: the labels of the test
    set are not public.

    Args:
      seed: draws the validation split.
      size: height and width of the images that are returned, in pixels.

    Raises:
      ImportError: if tensorflow-datasets or grain are not installed.
      FileNotFoundError: if TFDS has not prepared it; the message says what to do.

    Example:
      The data set must be prepared, so tests skip these lines.

      >>> from jaxcomp.data import imagenet
      >>> imagenet().test.number  # doctest: +SKIP
      50000
    """
    train, test = rows_of(NAME, VERSION, ("train", "validation"), makeable=True)
    order = np.random.default_rng(seed).permutation(len(train))
    held_out = max(1, len(train) // _VALIDATION)
    return Splits(
        Stream(train, np.sort(order[held_out:]), size),
        Stream(train, np.sort(order[:held_out]), size),
        Stream(test, np.arange(len(test)), size),
    )
