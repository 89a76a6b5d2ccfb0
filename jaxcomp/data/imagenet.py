"""ImageNet (ILSVRC 2012), as TFDS prepares it, streamed."""

import numpy as np

from jaxcomp.data.prepared import rows_of
from jaxcomp.data.splits import Splits
from jaxcomp.data.stream import Stream

NAME, VERSION = "imagenet2012", "5.1.0"
_VALIDATION = 100  # one example of so many of the training set


def imagenet(seed: int = 0, size: int = 224) -> Splits[Stream]:
    """Its 1,281,167 training images less a hundredth for validation, which `seed` draws.

    The test split is what the literature calls the validation set, 50,000 images: the labels of the
    test set are not public.

    Args:
      seed: of the validation split.
      size: of the images that are given, in pixels.

    Raises:
      ImportError: if tensorflow-datasets or grain are not installed.
      FileNotFoundError: if TFDS has not prepared it; the message says what to do.
    """
    train, test = rows_of(NAME, VERSION, ("train", "validation"), makeable=True)
    order = np.random.default_rng(seed).permutation(len(train))
    held_out = max(1, len(train) // _VALIDATION)
    return Splits(
        Stream(train, np.sort(order[held_out:]), size),
        Stream(train, np.sort(order[:held_out]), size),
        Stream(test, np.arange(len(test)), size),
    )
