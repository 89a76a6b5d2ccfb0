"""Reads CIFAR-10 and CIFAR-100 by TensorFlow Datasets, and a lossy copy of CIFAR-10."""

from jaxcomp.data.examples import Examples
from jaxcomp.data.prepared import Prepared, load
from jaxcomp.data.splits import Splits

VALIDATION = 5_000

CIFAR10 = Prepared("cifar10", "3.0.2", {"train": 50_000, "test": 10_000}, (32, 32, 3))
CIFAR10_JPEG = CIFAR10._replace(name="cifar10_jpeg", version="1.0.0", makeable=False)
CIFAR100 = CIFAR10._replace(name="cifar100")


def cifar10(seed: int = 0) -> Splits[Examples]:
    """Return train (45,000), validation (5,000) and test (10,000) splits of CIFAR-10.

    The validation examples are drawn from the training set by `seed`.

    Images are float32 [n, 32, 32, 3], pixels / 255. The decoded arrays are cached under
    `JAXCOMP_CACHE_DIR`, by default `~/.cache/jaxcomp`.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message has the command to run.

    Example:
      The data set must be prepared, so tests skip these lines.

      >>> from jaxcomp.data import cifar10
      >>> cifar10().train.inputs.shape  # doctest: +SKIP
      (45000, 32, 32, 3)
    """
    return load(CIFAR10, VALIDATION, seed)


def cifar10_jpeg(seed: int = 0) -> Splits[Examples]:
    """Return the splits of `cifar10` with images of lower quality.

    The images were encoded again as JPEG of quality 75 (4:2:0). Training and test images have both
    lost detail, so these are other data: say so if you compare results with published ones on
    CIFAR-10.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the copy is not in `TFDS_DATA_DIR`; TFDS cannot make it.

    Example:
      The copy must be in `TFDS_DATA_DIR`, so tests skip these lines.

      >>> from jaxcomp.data import cifar10_jpeg
      >>> cifar10_jpeg().test.inputs.shape  # doctest: +SKIP
      (10000, 32, 32, 3)
    """
    return load(CIFAR10_JPEG, VALIDATION, seed)


def cifar100(seed: int = 0) -> Splits[Examples]:
    """Return splits like those of `cifar10`, of CIFAR-100 with its 100 fine labels.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message has the command to run.

    Example:
      The data set must be prepared, so tests skip these lines.

      >>> from jaxcomp.data import cifar100
      >>> cifar100().train.labels.max()  # doctest: +SKIP
      np.int32(99)
    """
    return load(CIFAR100, VALIDATION, seed)
