"""Reads data sets that TFDS has prepared, without TensorFlow, and caches them decoded."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxcomp.data.cache import cache_folder, read_cache, write_cache
from jaxcomp.data.examples import Examples
from jaxcomp.data.splits import Splits

_TOGETHER = 1_000  # examples that are read at a time: one by one takes three times as long


class Prepared(NamedTuple):
    """Describes a data set of labeled images of one shape, with a training and a test set."""

    name: str  # name and version are those of TFDS
    version: str
    sizes: dict[str, int]  # examples in "train" and in "test"
    shape: tuple[int, int, int]  # height, width and channels of an image
    # Whether TFDS can make it; if not, an error about a missing data set names no command.
    makeable: bool = True


def load(source: Prepared, validation: int, seed: int) -> Splits[Examples]:
    """Return the splits of a data set; `seed` draws `validation` examples of the training set.

    Images are pixels / 255. The decoded arrays are cached in `cache_folder()`.

    Raises:
      ImportError: if the data set is not cached and tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared; the message says what to do.
    """
    arrays = _cached(source)
    order = np.random.default_rng(seed).permutation(source.sizes["train"])
    return Splits(
        _normalized(arrays, "train", order[validation:]),
        _normalized(arrays, "train", order[:validation]),
        _normalized(arrays, "test", np.arange(source.sizes["test"])),
    )


def _normalized(arrays: dict[str, np.ndarray], split: str, indices: np.ndarray) -> Examples:
    # Bytes are chosen, then divided in place: floats, which are four times as large, exist once.
    images = arrays[f"{split}_images"][indices].astype(np.float32)
    images /= np.float32(255)
    return Examples(images, arrays[f"{split}_labels"][indices].astype(np.int32))


def _cached(source: Prepared) -> dict[str, np.ndarray]:
    path = cache_folder() / f"{source.name}-{source.version}.npz"
    arrays = read_cache(path)
    if arrays is None or not _are_of(source, arrays):
        arrays = _decode(source)
        write_cache(path, arrays)
    return arrays


def _are_of(source: Prepared, arrays: dict[str, np.ndarray]) -> bool:
    shapes = {name: array.shape for name, array in arrays.items()}
    wanted: dict[str, tuple[int, ...]] = {}
    for split, size in source.sizes.items():
        wanted |= {f"{split}_images": (size, *source.shape), f"{split}_labels": (size,)}
    return shapes == wanted


def _decode(source: Prepared) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    sources = rows_of(source.name, source.version, tuple(source.sizes), makeable=source.makeable)
    for (split, size), rows in zip(source.sizes.items(), sources, strict=True):
        if len(rows) != size:
            raise OSError(
                f"{source.name} {source.version} has {len(rows)} examples in {split!r} instead of "
                f"{size}: prepare the whole data set again"
            )
        images = np.empty((len(rows), *source.shape), np.uint8)
        labels = np.empty(len(rows), np.uint8)
        for begin in range(0, len(rows), _TOGETHER):
            part = range(begin, min(begin + _TOGETHER, len(rows)))
            for index, row in zip(part, rows.__getitems__(part), strict=True):
                images[index], labels[index] = row["image"], row["label"]
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    return arrays


def rows_of(name: str, version: str, splits: Sequence[str], *, makeable: bool) -> list["Rows"]:
    """Return the examples of each split, decoded when they are asked for by their index.

    Args:
      name, version: as TFDS has them.
      splits: names of the splits.
      makeable: see `Prepared`.

    Raises:
      ImportError: if tensorflow-datasets is not installed.
      FileNotFoundError: if the data set is not prepared, or is prepared as TFRecord; the message
        says what to do.
      OSError: if its files are damaged. Asking for a damaged example raises it too.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(f'{name} is read by TFDS: pip install "tensorflow-datasets"') from error
    root = tfds.core.constants.DATA_DIR
    folder = Path(root) / name / version
    try:
        builder = tfds.builder(f"{name}:{version}")
    except tfds.core.DatasetNotFoundError as error:  # neither there nor known to TFDS
        raise FileNotFoundError(_missing(name, version, root, makeable)) from error
    except Exception as error:  # the type depends on the damage
        if not folder.exists():
            raise FileNotFoundError(_missing(name, version, root, makeable)) from error
        raise OSError(_damaged(name, version, folder, error)) from error
    folder = builder.data_path
    if not builder.info.splits:
        raise FileNotFoundError(_missing(name, version, folder, makeable))
    try:
        sources = builder.as_data_source(list(splits))
    except NotImplementedError as error:  # TFDS refuses formats without access by index so
        form = builder.info.file_format
        raise FileNotFoundError(
            f"{name} {version} is prepared as {form.value if form else 'an unknown format'} in "
            f"{folder}, which only TensorFlow reads. Delete that folder and prepare it as "
            f"array_record. {_remedy(name, version, makeable)}"
        ) from error
    except Exception as error:
        raise OSError(_damaged(name, version, folder, error)) from error
    return [Rows(source, name, version, folder) for source in sources]


class Rows(Sequence[dict[str, Any]]):
    """Holds examples; a damaged one raises an error of one line that names the data set."""

    def __init__(self, source: Any, name: str, version: str, folder: os.PathLike):
        self._source, self._of = source, (name, version, folder)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]  # no slices
        with self._named():
            return self._source[index]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return several examples, which takes less time than one by one."""
        with self._named():
            return self._source.__getitems__(indices)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the type depends on the damage
            raise OSError(_damaged(*self._of, error)) from error


def _missing(name: str, version: str, folder: str | os.PathLike, makeable: bool) -> str:
    return f"{name} {version} is not prepared in {folder}. {_remedy(name, version, makeable)}"


def _damaged(name: str, version: str, folder: str | os.PathLike, error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return (
        f"{name} {version} in {folder} is damaged ({reason[:160]}): delete that folder and prepare "
        "the data set again, or point TFDS_DATA_DIR to another copy"
    )


def _remedy(name: str, version: str, makeable: bool) -> str:
    elsewhere = "TFDS_DATA_DIR to a folder that has it."
    if not makeable:
        return f"Point {elsewhere}"
    return (
        "Prepare it once (this needs TensorFlow and the network): "
        'pip install -e ".[prepare]" && python -c "import tensorflow_datasets as tfds; '
        f"tfds.data_source('{name}:{version}')\". Or point {elsewhere}"
    )
