"""What a method makes of a network: a file, and the parameters that it holds."""

from typing import Any, NamedTuple

from experiments.benchmarks.subject import Params


class Coded(NamedTuple):
    """A network in a file, or how that failed."""

    setting: dict[str, Any]  # of the method
    file_bytes: int | None  # of the whole file; None if it failed
    params: Params | None  # as they were read back
    failed: str | None = None
