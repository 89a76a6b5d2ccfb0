"""Whatever is not a whole, untouched file gives `FormatError`, and never weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp.codec import FormatError, arrays, container, describe, load, read, save
from jaxcomp.codec.counted import code_counted
from jaxcomp.codec.dtypes import NAMES
from jaxcomp.codec.facts import Kind
from jaxcomp.codec.planes import code_planes
from tests.codec.crafted import of_coded, of_facts, of_text, sealed, trailer, write_bytes

FLOAT32, BOOL, INT8 = (NAMES.index(name) for name in ("float32", "bool", "int8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a small file with every kind of array."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("whole") / "model.jxc"
    ternary = rng.choice(np.array([-1, 0, 1], np.float32), (20, 10), p=[0.1, 0.8, 0.1])
    bias = rng.normal(size=5).astype(np.float32)
    save(path, {"layer": {"kernel": ternary, "bias": bias}, "constant": np.ones((5, 5))})
    return path.read_bytes()


@pytest.fixture
def refuse(tmp_path):
    """Asserts that all readers refuse some bytes, for the reason given."""

    def check(data, message=None):
        path = tmp_path / "model.jxc"
        path.write_bytes(data)
        for reader in (load, describe, read, lambda path: list(arrays(path))):
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
        (container.MAGIC + bytes([9]) + bytes(50), "format version 9, this program reads 1 to 3"),
        (container.MAGIC + bytes(50), "format version 0, this program reads 1 to 3"),
        (sealed(b"", 2), "a length is missing at the end"),
        (sealed(b"\xff" * 20, 2), "a length is missing at the end"),
        (sealed(b"abc\x10", 2), "of 8 coded bytes is declared, beyond the file"),
        (sealed(b"abc\x03", 2), "of 1 coded bytes is declared, beyond the file"),
        (
            sealed(trailer(0, 0, first=True) + trailer(0, 0, first=False), 2),
            "a name is longer than 1024 bytes",
        ),
    ],
)
def test_foreign_and_cut_files(refuse, data, message):
    refuse(data, message)


@given(st.binary(max_size=100))
def test_any_bytes_after_the_magic(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "model.jxc"
    path.write_bytes(container.MAGIC + data)
    with pytest.raises(FormatError):
        load(path)


def typed(kind, code):
    return 32 * kind + code


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ((typed(Kind.PLAIN, 31),), "'w': unknown array type 31"),
        ((typed(Kind.PLAIN, FLOAT32), 33), "33 axes is beyond"),
        ((typed(Kind.PLAIN, FLOAT32), 1, 2**60), "'w': an array of shape .* beyond the limits"),
        ((typed(Kind.PLAIN, FLOAT32), 2, 2**62, 0), "beyond the limits"),  # numpy would overflow
        ((typed(Kind.PLAIN, FLOAT32), 2, 2**35, 2**35), "beyond the limits"),
        ((typed(Kind.PLAIN, FLOAT32), 1, 2**30), "bytes of arrays are declared, beyond the limit"),
        ((typed(Kind.STEP, FLOAT32), 1, 3, 2**40, 0), "levels from .* beyond the limits"),
        ((typed(Kind.TABLE, FLOAT32), 1, 3, 0, 0), "a table without values"),
        ((typed(Kind.MIRRORED, FLOAT32), 1, 3, 0), "a table without values"),
        ((typed(Kind.STEP, BOOL), 1, 3, 0, 1), "kind STEP cannot be of type bool"),
        ((typed(Kind.MIRRORED, INT8), 1, 3, 2), "kind MIRRORED cannot be of type int8"),
        ((typed(Kind.STEPS, FLOAT32), 1, 3, 0, 1), "for two axes or more"),
        ((typed(Kind.STEP, FLOAT32), 1, 3, 0, 1, 24), "unknown scheme 24"),
        ((typed(Kind.STEP, FLOAT32), 1, 3, 0, 1, 3), "scheme 3 is for two axes"),
        ((typed(Kind.STEP, FLOAT32), 1, 3, 0, 99, 8, 1), "scheme 8 is for levels up to 32"),
        ((typed(Kind.STEP, FLOAT32), 1, 3, 0, 1, 8, 0), "a period of 0 rows"),
        ((typed(Kind.STEP, FLOAT32), 1, 3, 0, 1, 8, 2**30), "a period of"),
        (
            (typed(Kind.SPARSE, INT8), 1, 200_000, 8, 1),
            "steps through arrays coded row by row are declared",
        ),
        ((typed(Kind.PLAIN, FLOAT32), 1, 3), "raw bytes are declared, 0 are left"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_facts_behind_a_right_checksum_are_checked_all_the_same(refuse, facts, message, version):
    refuse(of_facts(*facts, version=version), message)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ((typed(Kind.STEP, FLOAT32), 1, 3, 256, 256, 16), "scheme 16 is for 512 levels at most"),
        ((typed(Kind.FLOATS, INT8), 1, 3, 5, 2), "kind FLOATS cannot be of type int8"),
        ((typed(Kind.FLOATS, FLOAT32), 1, 3, 256, 2), "exponents from 254 to 256"),
        ((typed(Kind.FLOATS, FLOAT32), 1, 3, 5, 6), "exponents from -1 to 5"),
        ((typed(Kind.FLOATS, FLOAT32), 1, 3, 5, 2, 8, 1), "cannot be coded row by row"),
        ((typed(Kind.ARRANGED, FLOAT32), 1, 3, 8), "unknown order 4"),
        ((typed(Kind.ARRANGED, FLOAT32), 1, 3, 6), r"shape \(3,\) has no order SYMMETRIC"),
        ((typed(Kind.ARRANGED, FLOAT32), 0, 2), r"shape \(\) has no order COLUMNS"),
    ],
)
def test_facts_of_kinds_of_version_3(refuse, facts, message):
    refuse(of_facts(*facts), message)
    if facts[0] >= typed(Kind.FLOATS, 0):
        refuse(of_facts(*facts, version=2), "unknown kind of array")


@pytest.mark.parametrize(
    ("names", "message"),
    [(b"w\2w\2", "'w' occurs twice"), (b"w\2w\0v\2", "'w' is an array and holds 'w/v'")],
)
def test_a_name_twice_and_an_array_that_holds_another(refuse, names, message):
    refuse(of_text(lambda text: [text.byte(byte) for byte in names]), message)


def test_segments_that_do_not_fit(refuse):
    refuse(of_text(lambda text: text.byte(6), version=2), "the last segment is followed by another")
    code = of_text(lambda text: text.byte(3), version=2)[5:-8]
    two = code + code[:-1] + trailer(0, len(code) - 1, first=False)
    refuse(sealed(two, 2), "a segment belongs to no array")


def test_bytes_that_belong_to_nothing(refuse):
    refuse(of_text(lambda text: text.byte(3), raw=b"more"), "4 bytes belong to no array")


def test_zeros_of_a_table_without_zero(refuse):
    """A table of negative values has no level for what the scale of a slice makes a zero."""

    def content(encoder, text):
        write_bytes(text, b"w\1" + bytes([32 * Kind.TABLE + FLOAT32, 2, 2, 2, 2, 0, 1]))
        code_planes(encoder, np.dtype(np.float32), 2, np.array([-2, -1], np.float32))
        code_counted(encoder, 64, 2, np.array([0, 32]))
        code_counted(encoder, 2, 2, np.array([-2, -1]), low=-2)
        write_bytes(text, b"\3")

    refuse(of_coded(content), "w.*zeros of class 0, and levels from -2 to -1")
