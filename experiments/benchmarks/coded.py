"""What a method makes of a network: a file, and the parameters that it holds."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from experiments.benchmarks.subject import Params


class Coded(NamedTuple):
    """A network in a file, or how that failed."""

    setting: dict[str, Any]  # of the method
    file_bytes: int | None  # of the whole file; None if it failed
    params: Params | None  # as they were read back
    failed: str | None = None


def smallest_within(sizes: Iterable[tuple[int, float]], most: float) -> int | None:
    """Return the fewest bytes whose quality is at most `most`; None if there are none.

    Args:
      sizes: bytes and quality, of which lower is better, for each setting.
      most: the largest quality that will do.
    """
    return min((size for size, quality in sizes if quality <= most), default=None)
