"""Streams labeled images that do not fit memory, decoded during training."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxcomp.data.examples import Examples

_AREA = (0.08, 1.0)  # area of a random crop, as a share of the image
_RATIO = (3 / 4, 4 / 3)  # width of a crop over its height
_TRIES = 10
_THREADS = min(16, os.cpu_count() or 1)
_CENTER = 0.875  # side of the square that is evaluated, as a share of the shorter side


class Stream:
    """Reads, crops and scales the images of a split when they are asked for.

    Grain reads ahead in threads, in an order that only the seed determines: a training that resumes
    continues with the batch that it would have seen next. The methods are those of `Examples`.

    Example:
      >>> import numpy as np
      >>> from jaxcomp.data import Stream
      >>> rows = [{"image": np.zeros((40, 60, 3), np.uint8), "label": 7}] * 4
      >>> stream = Stream(rows, np.arange(4), size=32)
      >>> batch = next(stream.batches(2))
      >>> batch.inputs.shape, batch.labels
      ((2, 32, 32, 3), array([7, 7], dtype=int32))
    """

    in_memory = False

    def __init__(self, rows: Sequence[dict[str, Any]], indices: np.ndarray, size: int):
        """Take the `rows` at `indices`.

        Args:
          rows: dicts, by index, with an `image`, uint8 [height, width, 3], and a `label`.
          indices: the rows that belong to the split.
          size: height and width of the images that are returned, in pixels.

        Raises:
          ImportError: if grain is not installed.
        """
        try:
            import grain
        except ImportError as error:
            raise ImportError(
                'images are streamed by grain: pip install "jaxcomp[experiments]"'
            ) from error
        self._grain, self._rows, self._indices = grain, rows, indices
        self.size = size

    @property
    def number(self) -> int:
        """Return the number of examples."""
        return len(self._indices)

    def one_input(self) -> np.ndarray:
        """Return zeros of the shape and type of one input, [1, ...]."""
        return np.zeros((1, self.size, self.size, 3), np.float32)

    def joined(self, other: "Stream") -> "Stream":
        """Return the examples of both, which must have the same rows."""
        return Stream(self._rows, np.concatenate([self._indices, other._indices]), self.size)

    def batches(self, batch_size: int) -> Iterator[Examples]:
        """Yield all examples once, in order; the last batch may be short.

        Each image is cut to its middle. Images are float32 [n, size, size, 3], pixels / 255; labels
        are int32 [n].
        """
        dataset = self._source().map(lambda row: self._example(row, center(row["image"].shape)))
        return self._read(dataset.batch(batch_size))

    def shuffled_batches(
        self,
        batch_size: int,
        seed: int | Sequence[int],
        *,
        start: int = 0,
        part: tuple[int, int] = (0, 1),
    ) -> Iterator[Examples]:
        """Yield batches without end, in a new order in each pass, with a random crop of each image.

        A crop has 8 to 100 % of the image's area and sides of 3:4 to 4:3, as in Szegedy et al.,
        *Going deeper with convolutions*, arXiv 1409.4842.

        Args:
          batch_size: examples of a batch, all parts together.
          seed: seed of order and crops; several numbers make one.
          start: number of batches to skip.
          part: number and count of equal parts of each batch, such as those of processes; only the
            part with this number is returned.

        Raises:
          ValueError: if the batch cannot be divided into the parts, or is larger than the split.
        """
        number, parts = part
        if batch_size % parts:
            raise ValueError(f"batches of {batch_size} examples cannot be divided into {parts}")
        if not 1 <= batch_size <= self.number:
            raise ValueError(
                f"batch size {batch_size} does not fit a split of {self.number} examples"
            )
        examples = (
            self._source()
            .seed(_one_number(seed))
            .shuffle()
            .repeat()
            .random_map(lambda row, rng: self._example(row, random_crop(row["image"].shape, rng)))
        )
        return self._read(examples[start * batch_size + number :: parts].batch(batch_size // parts))

    def _source(self) -> Any:
        chosen, rows = self._indices, self._rows
        return self._grain.MapDataset.source(chosen).map(lambda index: rows[int(index)])

    def _read(self, batches: Any) -> Iterator[Examples]:
        # Each thread makes whole batches, and few of them wait: they may be large.
        options = self._grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_THREADS)
        for image, label in batches.to_iter_dataset(options):
            yield Examples(image, label)

    def _example(
        self, row: dict[str, Any], box: tuple[float, float, float, float]
    ) -> tuple[np.ndarray, np.int32]:
        from PIL import Image

        scaled = Image.fromarray(row["image"]).resize(
            (self.size, self.size), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0
        )
        return np.asarray(scaled, np.float32) / np.float32(255), np.int32(row["label"])


def _one_number(seed: int | Sequence[int]) -> int:
    return seed if isinstance(seed, int) else int(np.random.SeedSequence(seed).generate_state(1)[0])


def center(shape: Sequence[int]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the middle square of an image [height, width, ...]."""
    height, width = shape[:2]
    side = _CENTER * min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def random_crop(
    shape: Sequence[int], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a random part of an image [height, width, ...]."""
    height, width = shape[:2]
    for _ in range(_TRIES):
        area = rng.uniform(*_AREA) * height * width
        ratio = np.exp(rng.uniform(*np.log(_RATIO)))
        across, down = np.sqrt(area * ratio), np.sqrt(area / ratio)
        if across <= width and down <= height:
            left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
            return left, top, left + across, top + down
    return center(shape)  # the image is far from square
