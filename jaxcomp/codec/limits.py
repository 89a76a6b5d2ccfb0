"""Limits what a file of some size may declare and cost: a small file takes little memory and time.

Costs are counted, not measured: all machines refuse a file, or none does. The writer counts the
same, and makes a file as large as its arrays require.
"""

import math
import threading
from numbers import Real
from typing import NamedTuple

from jaxcomp.codec.errors import FormatError

MAX_AXES = 32
MAX_DEPTH = 64  # the deepest nesting of names
MAX_NAME = 1024  # the longest name, in bytes
MAX_ELEMENTS = 2**36
MAX_SEGMENTS = 2**14


class Limits(NamedTuple):
    """Holds what reading a file may cost at most; None allows what its size allows.

    * `memory`: bytes. By default 4,096 for each byte of the file, or 256 MiB for a small one.
    * `seconds`: seconds of one core of 2 to 3 GHz; counted, not measured. By default 0.00015 for
      each byte of the file, or 10 for a small one.

    Example:
      >>> from jaxcomp import codec
      >>> codec.Limits(memory=2**30)  # `jaxcomp.load(path, limits=...)` then takes 1 GiB at most
      Limits(memory=1073741824, seconds=None)
    """

    memory: float | None = None
    seconds: float | None = None


class _Limit(NamedTuple):
    unit: str
    per_byte: int  # for each byte of the file
    free: int


LIMITS = {
    "arrays": _Limit("bytes of arrays", 2**13, 2**20),
    "rows": _Limit("steps through arrays coded row by row", 16, 1024),
    "text": _Limit("bytes of names and shapes", 64, 4096),
}

SMALL = 2**16  # bytes of a file; a smaller one may cost as much as one of this size
MEMORY_PER_BYTE = 2**12
WORK_PER_BYTE = 150_000  # nanoseconds
PROGRAM_MEMORY = 2**24  # memory of models, and of the parts of arrays that are being read
FILE_COPIES = 4
MEMORY_OF_TEXT = 1024  # for each byte: the counts of what followed it, and the names made of it
MEMORY_OF_ARRAY = 1024  # bytes of an array beside its entries


class Cost(NamedTuple):
    """Holds what a part of an array costs."""

    work: int  # nanoseconds
    memory: int  # bytes


class Budget:
    """Counts what has been declared and spent up to now.

    A reader knows the size of the file, and refuses what is beyond it. A writer finds out at the
    end how large the file must be; for arrays of almost only zeros, it is larger than the code.
    Threads may count at the same time.
    """

    def __init__(
        self, file_bytes: int | None = None, limits: Limits | None = None, *, keeps: bool = True
    ) -> None:
        """Start a budget.

        Args:
          file_bytes: the size of the file; None for a writer, which is refused nothing.
          limits: limits of memory and time, in place of those that follow from the file's size.
          keeps: whether all arrays stay in memory; else each stays until the next one is read,
            since the variable of a loop holds it.
        """
        memory, seconds = _checked(Limits() if limits is None else limits)
        self._file_bytes, self._keeps = file_bytes, keeps
        self._lock = threading.Lock()
        self._last = 0  # the bytes of the array that was read last, unless all are kept
        self._spent = dict.fromkeys(LIMITS, 0)
        self._most_later = 0
        self._held = self._most_held = PROGRAM_MEMORY + FILE_COPIES * (file_bytes or 0)
        self.work_done = 0  # nanoseconds
        self._memory = self._work = math.inf
        if file_bytes is not None:
            size = max(file_bytes, SMALL)
            self._memory = MEMORY_PER_BYTE * size if memory is None else memory
            self._work = WORK_PER_BYTE * size if seconds is None else 1e9 * seconds
        self.need(0)

    def spend(self, what: str, amount: int) -> None:
        """Count an amount that is declared, before memory or time is taken for it.

        Raises:
          FormatError: if it is beyond the limit of the file.
        """
        self._spent[what] += amount
        unit, per_byte, free = LIMITS[what]
        if self._file_bytes is not None:
            allowed = per_byte * self._file_bytes + free
            if self._spent[what] > allowed:
                raise FormatError(
                    f"{self._spent[what]} {unit} are declared, beyond the limit of {allowed} for a "
                    f"file of {self._file_bytes} bytes"
                )

    def work(self, nanoseconds: int) -> None:
        """Count work, before it is done.

        Raises:
          FormatError: if it is beyond the limit.
        """
        with self._lock:
            self.work_done += nanoseconds
        if self.work_done > self._work:
            raise FormatError(
                f"reading it takes more than {self._work / 1e9:.3g} seconds, the limit for "
                f"{self._file_bytes} bytes: `limits` can allow more"
            )

    def need(self, memory: int) -> None:
        """Count memory in bytes that is needed for a while beside what is held, before it is taken.

        Raises:
          FormatError: if it is beyond the limit.
        """
        with self._lock:
            self._most_held = max(self._most_held, self._held + memory)
        if self._held + memory > self._memory:
            raise FormatError(
                f"reading it takes {(self._held + memory) / 1e6:,.0f} MB of memory, beyond the "
                f"limit of {self._memory / 1e6:,.0f} MB for {self._file_bytes} bytes: `limits` "
                "(or --max-memory) can allow more"
            )

    def hold(self, memory: int) -> None:
        """Count memory in bytes that is kept until the end; errors as for `need`."""
        self._held += memory
        self.need(0)

    @property
    def memory(self) -> int:
        """Return the most bytes that were held or needed at a time."""
        return max(self._most_held, self._held + self._most_later)

    def cost(self) -> "Cost":
        """Return the time spent, and the memory beyond that of the program."""
        return Cost(self.work_done, self.memory - PROGRAM_MEMORY)

    def add(self, cost: "Cost") -> None:
        """Count the cost of something that may happen when everything else is held."""
        self.work(cost.work)
        self._most_later = max(self._most_later, cost.memory)

    def keep(self, memory: int) -> None:
        """Count the memory in bytes of an array that was read; errors as for `need`."""
        if not self._keeps:
            self._held -= self._last
            self._last = memory
        self.hold(memory)

    def smallest_file(self) -> int:
        """Return the size in bytes of the smallest file that may declare and cost all this."""
        sizes = [
            -(-(self._spent[what] - limit.free) // limit.per_byte) for what, limit in LIMITS.items()
        ]
        for spent, per_byte in (
            (self.memory, MEMORY_PER_BYTE - FILE_COPIES),
            (self.work_done, WORK_PER_BYTE),
        ):
            size = -(-spent // per_byte)
            sizes.append(size if size > SMALL else 0)
        return max(sizes)


def _checked(limits: Limits) -> Limits:
    if not isinstance(limits, Limits):
        raise TypeError(f"limits must be a jaxcomp.codec.Limits, got a {type(limits).__name__}")
    for name, value in limits._asdict().items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, Real) or not value > 0:  # type: ignore[operator]  # numbers compare
            raise ValueError(f"limits.{name} must be a positive number or None, got {value!r}")
    return limits
