"""Damaged files of version 1, behind a checksum that is right."""

import constriction
import msgpack
import numpy as np
import pytest

from jaxcomp.codec import FormatError, describe, load, read
from jaxcomp.codec.dtypes import NAMES
from jaxcomp.codec.levels import FewValued
from tests.codec.crafted import sealed

FLOAT32 = NAMES.index("float32")


@pytest.fixture
def refuse(tmp_path):
    """Asserts that both readers refuse a header, for the reason given."""

    def check(packed, message, payloads=b""):
        path = tmp_path / "model.jxc"
        path.write_bytes(sealed(len(packed).to_bytes(4, "little") + packed + payloads, 1))
        for reader in (load, describe):
            with pytest.raises(FormatError, match=message):
                reader(path)

    return check


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
        (record([2**30], 0, bytes(4)), "bytes of arrays are declared, beyond the limit"),
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
def test_headers(refuse, header, message):
    refuse(msgpack.packb(header), message)


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
    refuse(packed, message)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x80\x80", "count is cut off"),
        (b"\xff" * 8, "larger than any tensor"),
        (b"\x03\x03", "more than the 4 weights declared"),
        (b"\x01\x01abc", "not a multiple of 4"),
        (b"\x01\x01", "do not have the counts|not a valid code"),
    ],
)
def test_payloads(refuse, payload, message):
    refuse(msgpack.packb(record([4], len(payload), bytes(12))), message, payload)


def test_256_values_of_which_half_are_negative(tmp_path):
    numbers = np.arange(-128, 128)
    codebook = (np.sign(numbers) * np.abs(numbers) ** 1.5).astype(np.float16)  # of no one step
    payload = b"\1" * 255
    words = constriction.stream.queue.RangeEncoder()
    model = constriction.stream.model.Categorical(np.full(256, 1 / 256), perfect=False)
    words.encode(np.arange(256, dtype=np.int32), model)
    payload += words.get_compressed().astype("<u4").tobytes()
    header = msgpack.packb({"w": [NAMES.index("float16"), [256], len(payload), codebook.tobytes()]})
    path = tmp_path / "model.jxc"
    path.write_bytes(sealed(len(header).to_bytes(4, "little") + header + payload, 1))
    np.testing.assert_array_equal(load(path)["w"], codebook)
    assert describe(path).tensors[0].values == 256
    levels, values = read(path)["w"]
    np.testing.assert_array_equal(FewValued(levels, values).values(), codebook)


def test_a_body_without_a_header(tmp_path):
    (tmp_path / "model.jxc").write_bytes(sealed(b"\x09\0\0\0abc", 1))
    with pytest.raises(FormatError, match="a header of 9 bytes is declared, beyond"):
        load(tmp_path / "model.jxc")
