"""CIFAR-10 through TensorFlow Datasets: the original, and a lossy copy of it."""

from jaxcomp.data.prepared import Prepared, load
from jaxcomp.data.splits import Splits

VALIDATION = 5_000

ORIGINAL = Prepared("cifar10", "3.0.2", {"train": 50_000, "test": 10_000}, (32, 32, 3))
JPEG = ORIGINAL._replace(name="cifar10_jpeg", version="1.0.0", makeable=False)


def cifar10(seed: int = 0) -> Splits:
    """Train (45,000), validation (5,000, drawn from the training set by `seed`) and test (10,000).

    Images are [n, 32, 32, 3], pixels / 255, and nothing else. The decoded arrays are cached under
    `JAXCOMP_CACHE_DIR`, by default `~/.cache/jaxcomp`.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message has the command to run.
    """
    return load(ORIGINAL, VALIDATION, seed)


def cifar10_jpeg(seed: int = 0) -> Splits:
    """As `cifar10`, of a copy whose images were encoded anew, as JPEG of quality 75 (4:2:0).

    Training and test images have both lost detail, so these are other data: do not put results on
    them beside published ones on CIFAR-10 without saying so.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the copy is not in `TFDS_DATA_DIR`; TFDS cannot make it.
    """
    return load(JPEG, VALIDATION, seed)
