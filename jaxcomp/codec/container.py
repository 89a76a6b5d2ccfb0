"""Reads and writes the container of a file: magic, version, body, checksum.

| bytes | what                                                                           |
|-------|--------------------------------------------------------------------------------|
| 4     | magic `89 4A 58 43`; its first byte is no text, so that damage by a transfer   |
|       | as text is noticed                                                             |
| 1     | version of the format                                                          |
| ...   | body                                                                           |
| 8     | BLAKE2b-64 of everything before; since version 3 without the parts of large    |
|       | arrays, which have checksums of their own                                      |
"""

import hashlib
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.layout import PART_DIGEST, Footer, footer, read_footer
from jaxcomp.codec.limits import Budget, Limits
from jaxcomp.files import naming

MAGIC = b"\x89JXC"
VERSION = 3
START = len(MAGIC) + 1  # the body begins here
_DIGEST_BYTES = 8
OVERHEAD = START + _DIGEST_BYTES  # bytes of a file that are not its body
_TAIL = 2**16  # bytes that are read first from the end of a file


Part = tuple[bytes | memoryview, bytes | memoryview]  # raw and coded bytes


class ContainerWriter:
    """Writes a container: parts of arrays one by one, then everything else."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._part_digests: list[bytes] = []
        self.size = file.write(MAGIC + bytes([VERSION]))

    def write_part(self, raw: bytes | memoryview, code: bytes | memoryview) -> None:
        """Append a part of an array."""
        self.size += self._file.write(raw) + self._file.write(code)
        self._part_digests.append(_digest(raw, code, size=PART_DIGEST))

    def finish(self, raw: bytes, code: bytes, shared: list[int], smallest: int) -> None:
        """Append the main stream, and zeros up to the size that the file must have."""
        digests = b"".join(self._part_digests)
        # Zeros after the end of the code do not change its symbols.
        known = self.size + len(digests) + len(raw)
        code += bytes(max(0, smallest - known - len(code)))
        end = footer(len(raw), len(code), len(self._part_digests), shared)
        rest = digests + raw + code + end
        self._file.write(rest + _digest(MAGIC, bytes([VERSION]), rest, size=_DIGEST_BYTES))
        self.size += len(rest) + _DIGEST_BYTES


class Container:
    """Holds a file that is whole and untouched, except for parts that have not been read.

    Attributes:
      version: version of the format.
      size: bytes of the file.
      budget: counts what reading it costs.
      body: everything between version and checksum; since version 3, the main stream.
      footer: the footer, since version 3; else None.
      parts_begin, parts_end: where parts of arrays begin and end in the file.
    """

    def __init__(self, file: io.BufferedIOBase, limits: Limits | None, *, keeps: bool) -> None:
        """See `open_container`."""
        self._file = file if file.seekable() else io.BytesIO(file.read())
        self._lock = threading.Lock()
        self.size = self._file.seek(0, os.SEEK_END)
        # A file of another kind, or too large, is not read as a whole.
        self.budget = Budget(self.size, limits, keeps=keeps)
        start = self._read(0, min(START, self.size))
        if start[: len(MAGIC)] != MAGIC:
            found = bytes(start[: len(MAGIC)])
            what = f"starts with {found!r} instead of {MAGIC!r}" if found else "is empty"
            raise FormatError(f"not a .jxc file: it {what}")
        if self.size < OVERHEAD:
            raise FormatError(f"the file is cut off after {self.size} bytes")
        # The version is checked before the checksum: a newer version may have another checksum.
        self.version = start[len(MAGIC)]
        if not 1 <= self.version <= VERSION:
            raise FormatError(
                f"the file has format version {self.version}, this program reads 1 to {VERSION}"
            )
        self.footer: Footer | None = None
        begin = START
        if self.version >= 3:
            self.footer, begin = self._find_main()
        rest = self._read(begin, self.size - begin)
        if _digest(start, rest[:-_DIGEST_BYTES], size=_DIGEST_BYTES) != rest[-_DIGEST_BYTES:]:
            raise FormatError("the checksum does not match: the file is damaged or cut off")
        parts = self.footer.parts if self.footer else 0
        self._digests = rest[: PART_DIGEST * parts]
        self.body = rest[PART_DIGEST * parts : -_DIGEST_BYTES]
        self.parts_begin, self.parts_end = START, begin

    def part(self, number: int, begin: int, raw_bytes: int, code_bytes: int) -> Part:
        """Read a part of an array, and return its raw and its coded bytes.

        Raises:
          FormatError: if the part is damaged.
        """
        data = self._read(begin, raw_bytes + code_bytes)
        wanted = self._digests[PART_DIGEST * number : PART_DIGEST * (number + 1)]
        if _digest(data, size=PART_DIGEST) != wanted:
            raise FormatError("the checksum of a part does not match: the file is damaged")
        return data[:raw_bytes], data[raw_bytes:]

    def _find_main(self) -> tuple[Footer, int]:
        """Return the footer, and where the checksums of parts begin."""
        room = self.size - OVERHEAD
        length = min(room, _TAIL)
        while True:
            tail = self._read(self.size - _DIGEST_BYTES - length, length)
            try:
                found = read_footer(tail)
                break
            except FormatError:
                if length == room:
                    raise
                length = min(room, 2 * length)
        if found.raw_bytes is None:
            begin = START
        else:
            after = found.raw_bytes + found.code_bytes + found.size + PART_DIGEST * found.parts
            begin = self.size - _DIGEST_BYTES - after
        if begin < START or found.code_bytes + found.size > room:
            raise FormatError(f"{found.code_bytes} coded bytes are declared, beyond the file")
        return found, begin

    def _read(self, begin: int, size: int) -> memoryview:
        """Read bytes of the file; threads may call this at the same time."""
        out = bytearray(size)
        with self._lock:
            self._file.seek(begin)
            if self._file.readinto(out) < size:
                raise FormatError("the file has become shorter while it was read")
        return memoryview(out).toreadonly()


@contextmanager
def open_container(
    path: str | os.PathLike, limits: Limits | None = None, *, keeps: bool = True
) -> Iterator[Container]:
    """Open a file and check all of it except parts of arrays, which are checked when they are read.

    See `Budget` for `limits` and `keeps`.

    Raises:
      FormatError: if the file is not whole and untouched, or takes more memory than it may.
      OSError: if it cannot be read.
    """
    with naming(path), open(path, "rb") as file:
        yield Container(file, limits, keeps=keeps)


def _digest(*data: bytes | memoryview, size: int) -> bytes:
    digest = hashlib.blake2b(digest_size=size)
    for one in data:
        digest.update(one)
    return digest.digest()
