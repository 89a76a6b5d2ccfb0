"""The container: magic, version, what the version makes of the body, checksum.

| bytes | what                                                                           |
|-------|--------------------------------------------------------------------------------|
| 4     | magic `89 4A 58 43`; the first byte is not text, so that a damaging transfer   |
|       | as text is seen                                                                |
| 1     | version of the format                                                          |
| ...   | body                                                                           |
| 8     | BLAKE2b-64 of everything before                                                |
"""

import hashlib
import os
from typing import BinaryIO

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.limits import Budget, Limits
from jaxcomp.files import naming

MAGIC = b"\x89JXC"
VERSION = 2
_START = len(MAGIC) + 1
_DIGEST_BYTES = 8
OVERHEAD = _START + _DIGEST_BYTES  # bytes of a file that are not its body


class ContainerWriter:
    """Writes a container, part by part."""

    def __init__(self, file: BinaryIO, version: int = VERSION) -> None:
        self._file = file
        self._digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self.size = 0
        self.write(MAGIC + bytes([version]))

    def write(self, data: bytes) -> None:
        """Append a part of the body."""
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def finish(self) -> None:
        """Append the checksum."""
        self._file.write(self._digest.digest())
        self.size += _DIGEST_BYTES


def read_container(
    path: str | os.PathLike, limits: Limits | None = None, *, keeps: bool = True
) -> tuple[int, memoryview, Budget]:
    """The version and the body of a file, after checking that it is whole and untouched.

    The third is what may be spent on it: see `Budget` for `limits` and `keeps`.

    Raises:
      FormatError: if it is not, or is larger than the memory that it may take.
      OSError: if it cannot be read.
    """
    with naming(path), open(path, "rb") as file:
        # What is no such file, or too large, is not read as a whole.
        Budget(os.fstat(file.fileno()).st_size, limits)
        start = file.read(len(MAGIC))
        data = memoryview(start + file.read() if start == MAGIC else start)
    if start != MAGIC:
        what = "is empty" if not start else f"starts with {start!r} instead of {MAGIC!r}"
        raise FormatError(f"not a .jxc file: it {what}")
    if len(data) < OVERHEAD:
        raise FormatError(f"the file is cut off after {len(data)} bytes")
    # The version comes before the checksum: a newer version may have another checksum.
    version = data[len(MAGIC)]
    if not 1 <= version <= VERSION:
        raise FormatError(
            f"the file has format version {version}, this program reads 1 to {VERSION}"
        )
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        raise FormatError("the checksum does not match: the file is damaged or cut off")
    return version, body[_START:], Budget(len(data), limits, keeps=keeps)
