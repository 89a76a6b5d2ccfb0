"""Names: any come back, known ones take little, and what is none is refused."""

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcomp import codec
from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.names import Unflattened, decode_names, encode_end, encode_names
from jaxcomp.codec.text import PRIMER, Text

parts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.integers(
    -(2**63), 2**64 - 1
)


def coded(paths):
    encoder = Encoder()
    text = Text(encoder)
    for path, empty in paths:
        encode_names(text, path, empty=empty)
    encode_end(text)
    return encoder.finish()


@given(st.lists(st.tuples(st.lists(parts, min_size=1, max_size=5).map(tuple), st.booleans())))
def test_any_names_come_back(paths):
    text, found = Text(Decoder(coded(paths))), []
    while (names := decode_names(text)) is not None:
        found.append(names)
    assert found == paths
    types = [[type(part) for part in path] for path, _ in paths]
    assert [[type(part) for part in path] for path, _ in found] == types


@pytest.mark.parametrize(
    ("names", "bits_per_byte"),
    [
        ([f"Dense_{i}/{leaf}" for i in range(3) for leaf in ("bias", "kernel")], 1.5),
        ([f"layer{i}.0.conv{j}.weight" for i in range(1, 5) for j in range(1, 4)], 1.0),
        ([f"blocks.{i}.attn.qkv.weight" for i in range(48)], 1.0),
    ],
)
def test_usual_names_take_little(names, bits_per_byte):
    paths = [(tuple(name.split("/")), False) for name in names]
    assert 8 * len(coded(paths)) < bits_per_byte * len("".join(names)) + 80


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\1", "not UTF-8"),
        (b"\x04twelve\1", "not an integer"),
        (b"\x0499999999999999999999\1", "not an integer"),
        (b"\x04007\1", "not an integer"),
        (b"a\3", "byte 3 within a name"),
        (b"a\4", "byte 4 within a name"),
        (b"a" * 2000, "longer than 1024"),
        (b"a\0" * 70 + b"\1", "more than 64 deep"),
    ],
)
def test_text_that_is_no_name(data, message):
    encoder = Encoder()
    text = Text(encoder)
    for byte in data:
        text.byte(byte)
    with pytest.raises(FormatError, match=message):
        decode_names(Text(Decoder(encoder.finish())))


def test_numbers_of_any_size():
    numbers = [0, 1, 127, 128, 300, 2**32, 2**63 - 1]
    encoder = Encoder()
    text = Text(encoder)
    for number in numbers:
        text.number(number)
    text = Text(Decoder(encoder.finish()))
    assert [text.number(None) for _ in numbers] == numbers


def test_numbers_end():
    encoder = Encoder()
    text = Text(encoder)
    for _ in range(20):
        text.byte(0xFF)
    with pytest.raises(FormatError, match="longer than 63 bits"):
        Text(Decoder(encoder.finish())).number(None)


def test_places_are_taken_once():
    tree = Unflattened()
    tree.add(("a", "b"), 1)
    tree.add(("a", 0), 2)
    tree.add(("a", "0"), 3)
    for names in (("a", "b"), ("a",), ("a", "b", "c")):
        with pytest.raises(ValueError, match=r"twice|is an array"):
            tree.add(names, 4)
    assert tree.root == {"a": {"b": 1, 0: 2, "0": 3}}


def test_the_format_shows_the_primer():
    page = (Path(codec.__file__).parent / "FORMAT.md").read_text()
    size, digest, shown = re.search(
        r"## Primer\n\n(\d+) bytes.*?`(\w{16})`.*?```text\n(.*?)```", page, re.DOTALL
    ).groups()
    primer = shown.replace("\n", "").replace("<0>", "\0").replace("<1>", "\1").encode()
    assert primer == PRIMER
    assert len(primer) == int(size)
    assert hashlib.blake2b(primer, digest_size=8).hexdigest() == digest
