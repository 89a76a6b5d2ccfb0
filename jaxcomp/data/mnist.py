"""MNIST through TensorFlow Datasets, read without TensorFlow and cached after decoding."""

import os
import zipfile
from pathlib import Path

import numpy as np

from jaxcomp.data.examples import Examples, Splits, take
from jaxcomp.files import replacing

NAME = "mnist"
VERSION = "3.0.1"
VALIDATION = 5_000
_SIZES = {"train": 60_000, "test": 10_000}

HOW_TO_PREPARE = (
    f"{NAME} {VERSION} is not prepared in {{}}. Prepare it once (this needs TensorFlow and the "
    'network): pip install -e ".[prepare]" && python -c "import tensorflow_datasets as tfds; '
    f"tfds.data_source('{NAME}:{VERSION}')\". Or point TFDS_DATA_DIR to a folder that has it."
)


def mnist(seed: int = 0) -> Splits:
    """Train (55,000), validation (5,000, drawn from the training set by `seed`) and test (10,000).

    Pixels / 255, and nothing else. The decoded arrays are cached under `JAXCOMP_CACHE_DIR`, by
    default `~/.cache/jaxcomp`.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message has the command to run.
    """
    arrays = _cached()
    full, test = (_normalized(arrays, split) for split in _SIZES)
    order = np.random.default_rng(seed).permutation(len(full.labels))
    return Splits(take(full, order[VALIDATION:]), take(full, order[:VALIDATION]), test)


def _normalized(arrays: dict[str, np.ndarray], split: str) -> Examples:
    images = arrays[f"{split}_images"].astype(np.float32) / np.float32(255)
    return Examples(images, arrays[f"{split}_labels"].astype(np.int32))


def _cached() -> dict[str, np.ndarray]:
    cache = os.environ.get("JAXCOMP_CACHE_DIR") or Path.home() / ".cache" / "jaxcomp"
    path = Path(cache) / f"{NAME}-{VERSION}.npz"
    arrays = _read_cache(path)
    if arrays is None:
        arrays = _decode()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez(temporary, **arrays)
    return arrays


def _read_cache(path: Path) -> dict[str, np.ndarray] | None:
    """The cached arrays, or None if there are none, or not whole ones."""
    try:
        # numpy leaves a file that it opened itself open if it is not a whole archive.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    shapes = {name: array.shape for name, array in arrays.items()}
    wanted = {}
    for split, size in _SIZES.items():
        wanted |= {f"{split}_images": (size, 28, 28, 1), f"{split}_labels": (size,)}
    return arrays if shapes == wanted else None


def _decode() -> dict[str, np.ndarray]:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError('MNIST is read by TFDS: pip install "tensorflow-datasets"') from error
    builder = tfds.builder(f"{NAME}:{VERSION}")
    if not builder.info.splits:
        raise FileNotFoundError(HOW_TO_PREPARE.format(builder.data_path))
    sources = builder.as_data_source(list(_SIZES))
    arrays = {}
    for split, source in zip(_SIZES, sources, strict=True):
        rows = [source[index] for index in range(len(source))]
        arrays[f"{split}_images"] = np.stack([row["image"] for row in rows])
        arrays[f"{split}_labels"] = np.array([row["label"] for row in rows], np.uint8)
    return arrays
