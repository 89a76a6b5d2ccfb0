"""Reads MNIST by TensorFlow Datasets."""

from jaxcomp.data.examples import Examples
from jaxcomp.data.prepared import Prepared, load
from jaxcomp.data.splits import Splits

NAME = "mnist"
VERSION = "3.0.1"
VALIDATION = 5_000

MNIST = Prepared(NAME, VERSION, {"train": 60_000, "test": 10_000}, (28, 28, 1))


def mnist(seed: int = 0, validation: int = VALIDATION) -> Splits[Examples]:
    """Return train (55,000), validation (5,000) and test (10,000) splits of MNIST.

    The `validation` examples are drawn from the 60,000 of the training set by `seed`; a larger
    number draws the same ones first.

    Images are float32 [n, 28, 28, 1], pixels / 255. The decoded arrays are cached under
    `JAXCOMP_CACHE_DIR`, by default `~/.cache/jaxcomp`.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message has the command to run.

    Example:
      The data set must be prepared, so tests skip these lines.

      >>> from jaxcomp.data import mnist
      >>> mnist().train.inputs.shape  # doctest: +SKIP
      (55000, 28, 28, 1)
    """
    return load(MNIST, validation, seed)
