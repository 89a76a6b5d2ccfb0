"""What a file of some size may declare, so that a small file cannot ask for much memory or time."""

from typing import NamedTuple

from jaxcomp.codec.errors import FormatError

MAX_AXES = 32
MAX_DEPTH = 64  # of nested names
MAX_NAME = 1024  # bytes
MAX_ELEMENTS = 2**36


class _Limit(NamedTuple):
    unit: str
    per_byte: int  # of the file
    free: int


LIMITS = {
    "arrays": _Limit("bytes of arrays", 2**13, 2**20),
    "rows": _Limit("steps through arrays coded row by row", 16, 1024),
    "text": _Limit("bytes of names and shapes", 64, 4096),
}


class Budget:
    """What has been declared up to now.

    A reader knows the size of the file and refuses what is beyond it. A writer finds out at the
    end how large the file has to be; that is more than it is for arrays of almost only zeros.
    """

    def __init__(self, file_bytes: int | None = None) -> None:
        self._file_bytes = file_bytes
        self._spent = dict.fromkeys(LIMITS, 0)

    def spend(self, what: str, amount: int) -> None:
        """Count an amount, before memory or time is taken for it.

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

    def smallest_file(self) -> int:
        """The size in bytes of the smallest file that may declare all this."""
        return max(
            -(-(self._spent[what] - limit.free) // limit.per_byte) for what, limit in LIMITS.items()
        )
