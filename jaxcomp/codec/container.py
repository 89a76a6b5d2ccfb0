"""The container: magic, version, header, payloads, checksum.

| bytes | what                                                                     |
|-------|--------------------------------------------------------------------------|
| 4     | magic `89 4A 58 43`; the first byte is not text, so that a damaging      |
|       | transfer as text is seen                                                 |
| 1     | version of the format                                                    |
| 4     | length of the header, little-endian                                      |
| ...   | header: the nested dict in msgpack, with a record in place of each array |
| ...   | payloads, in the order of the records                                    |
| 8     | BLAKE2b-64 of everything before                                          |
"""

import hashlib
import struct
from typing import Any

import msgpack

from jaxcomp.codec.errors import FormatError

MAGIC = b"\x89JXC"
VERSION = 1
_START = struct.Struct("<4sBI")
_DIGEST_BYTES = 8


def pack(header: dict[str, Any], payloads: list[bytes]) -> bytes:
    """The whole file for a header and its payloads."""
    packed = msgpack.packb(header)
    body = b"".join([_START.pack(MAGIC, VERSION, len(packed)), packed, *payloads])
    return body + _digest(body)


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the joined payloads of a file, after checking that it is whole and untouched.

    Raises:
      FormatError: if it is not.
    """
    if not data.startswith(MAGIC):
        what = "is empty" if not data else f"starts with {data[:4]!r} instead of {MAGIC!r}"
        raise FormatError(f"not a .jxc file: it {what}")
    if len(data) < _START.size + _DIGEST_BYTES:
        raise FormatError(f"the file is cut off after {len(data)} bytes")
    _, version, header_bytes = _START.unpack_from(data)
    # The version comes before the checksum: a newer version may have another checksum.
    if version != VERSION:
        raise FormatError(f"the file has format version {version}, this program reads {VERSION}")
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if _digest(body) != digest:
        raise FormatError("the checksum does not match: the file is damaged or cut off")
    if _START.size + header_bytes > len(body):
        raise FormatError(f"a header of {header_bytes} bytes is declared, beyond the file's end")
    packed, payloads = body[_START.size :][:header_bytes], body[_START.size + header_bytes :]
    try:
        header = msgpack.unpackb(packed, strict_map_key=False, object_pairs_hook=_no_duplicates)
    except FormatError:
        raise
    except (ValueError, TypeError) as error:
        raise FormatError(f"the header is not valid msgpack: {error}") from error
    if not isinstance(header, dict):
        raise FormatError(f"the header is a {type(header).__name__} instead of a dict")
    return header, payloads


def _no_duplicates(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    out = {}
    for key, value in pairs:
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise FormatError(f"a name in the header is a {type(key).__name__}")
        if key in out:
            raise FormatError(f"the name {key!r} occurs twice")
        out[key] = value
    return out


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
