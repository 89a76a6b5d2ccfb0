"""Makes calls on several cores, with the same results for any number of threads."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

Result = TypeVar("Result")


class Threads:
    """Makes calls in threads; use it in a `with` statement.

    With one thread, each call is made when its result is waited for.

    Attributes:
      number: the number of threads.
    """

    def __init__(self, number: int | None) -> None:
        """Start a number of threads; None starts as many as there are cores.

        Raises:
          ValueError: if it is not a positive integer.
        """
        if number is None:
            number = _cores()
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"threads must be a positive integer or None, got {number!r}")
        self.number = number
        self._pool = ThreadPoolExecutor(number) if number > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def start(self, function: Callable[..., Result], *args: Any) -> Callable[[], Result]:
        """Start a call, and return a function that waits for its result."""
        if self._pool is None:
            return lambda: function(*args)
        return self._pool.submit(function, *args).result

    def each(self, function: Callable[[int], Any], items: Iterable[int]) -> None:
        """Call a function with each item; must not be used within a call that was started."""
        for wait in [self.start(function, item) for item in items]:
            wait()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
