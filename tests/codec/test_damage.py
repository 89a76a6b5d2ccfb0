"""Whatever is not a whole, untouched file gives `FormatError`, and never weights."""

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.codec import FormatError, container, describe, load, records, save
from jaxcomp.codec.dtypes import NAMES

FLOAT32 = NAMES.index("float32")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a small file with every kind of record."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("whole") / "model.jxc"
    ternary = rng.choice(np.array([-1, 0, 1], np.float32), (20, 10), p=[0.1, 0.8, 0.1])
    bias = rng.normal(size=5).astype(np.float32)
    save(path, {"layer": {"kernel": ternary, "bias": bias}, "constant": np.ones((5, 5))})
    return path.read_bytes()


@pytest.fixture
def refuse(tmp_path):
    """Asserts that both readers refuse some bytes, for the reason given."""

    def check(data, message=None):
        path = tmp_path / "model.jxc"
        path.write_bytes(data)
        for reader in (load, describe):
            with pytest.raises(FormatError, match=message):
                reader(path)

    return check


def test_every_truncation(whole, refuse):
    for length in range(len(whole)):
        refuse(whole[:length])


def test_every_flipped_bit(whole, refuse):
    for position in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            refuse(bytes(damaged))


def test_appended_bytes(whole, refuse):
    refuse(whole + b"\0", "checksum")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04 a zip archive", "starts with b'PK"),
        (b"\x89JX", "starts with"),
        (container.MAGIC, "cut off after 4 bytes"),
        (container.MAGIC + bytes([9]) + bytes(50), "format version 9, this program reads 1"),
    ],
)
def test_foreign_files(refuse, data, message):
    refuse(data, message)


@given(st.binary(max_size=100))
def test_any_bytes_after_the_magic(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "model.jxc"
    path.write_bytes(container.MAGIC + data)
    with pytest.raises(FormatError):
        load(path)


def nested(depth):
    return {"d": nested(depth - 1)} if depth else {}


def record(shape, payload_bytes, *codebook, code=FLOAT32):
    return {"w": [code, shape, payload_bytes, *codebook]}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (record([3], 13), "13 bytes are declared for an array of shape"),
        (record([3], 12), "12 bytes of weights are declared, 0 are there"),
        (record([2**40], 2**42), "beyond the limits"),
        (record([2**62, 0], 0), "beyond the limits"),  # numpy would overflow
        (record([1] * 40, 4), "beyond the limits"),
        (record([-1], 0), "non-negative"),
        (record([True], 4), "non-negative"),
        (record(3, 12), "non-negative"),
        (record([3], 12, code=99), "unknown array type 99"),
        (record([3], 0, b"abc"), "codebook"),
        (record([3], 0, b""), "no or more than 256"),
        (record([3], 0, bytes(4 * 257)), "no or more than 256"),
        (record([3], 0, "text"), "codebook"),
        (record([3], 0, bytes(8)), "count is cut off"),
        (record([3], 12, b"", b""), "5 fields"),
        ({"w": 7}, "'w' is a int, not a record"),
        ({"a": {"w": []}}, "'a/w': a record has 0 fields"),
        (nested(100), "more than 64 deep|nested"),
    ],
)
def test_headers_with_a_valid_checksum_are_checked_all_the_same(refuse, header, message):
    refuse(container.pack(header, []), message)


def with_header(packed):
    start = container._START.pack(container.MAGIC, container.VERSION, len(packed))
    return start + packed + container._digest(start + packed)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"", "not valid msgpack"),
        (b"\xc1", "not valid msgpack"),
        (b"\x80\x80", "not valid msgpack"),  # two objects
        (msgpack.packb([1, 2]), "a list instead of a dict"),
        (b"\x81" * 5000, "not valid msgpack|nested"),
        (b"\x82\xa1a\x80\xa1a\x80", "'a' occurs twice"),
        (msgpack.packb({1.5: {}}), "a name in the header is a float"),
        (msgpack.packb({"w": msgpack.Timestamp(1)}), "not a record"),
    ],
)
def test_headers_of_other_bytes(refuse, packed, message):
    refuse(with_header(packed), message)


def test_a_declared_size_takes_no_memory_before_it_is_checked():
    with pytest.raises(FormatError, match="beyond the limits"):
        records.parse_record([FLOAT32, [2**62, 2**62], 0, bytes(12)])
