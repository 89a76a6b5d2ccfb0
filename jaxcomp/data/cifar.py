"""CIFAR-10 and CIFAR-100 through TensorFlow Datasets, and a lossy copy of the first."""

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

    Images are [n, 32, 32, 3], pixels / 255, and nothing else. The decoded arrays are cached under
    `JAXCOMP_CACHE_DIR`, by default `~/.cache/jaxcomp`.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message has the command to run.
    """
    return load(CIFAR10, VALIDATION, seed)


def cifar10_jpeg(seed: int = 0) -> Splits[Examples]:
    """Return the same as `cifar10`, of a copy of lower quality.

    Its images were encoded anew, as JPEG of quality 75 (4:2:0). Training and test images have both
    lost detail, so these are other data: do not put results on them beside published ones on
    CIFAR-10 without saying so.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the copy is not in `TFDS_DATA_DIR`; TFDS cannot make it.
    """
    return load(CIFAR10_JPEG, VALIDATION, seed)


def cifar100(seed: int = 0) -> Splits[Examples]:
    """Return the same as `cifar10`, of CIFAR-100 with its 100 fine labels.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message has the command to run.
    """
    return load(CIFAR100, VALIDATION, seed)
