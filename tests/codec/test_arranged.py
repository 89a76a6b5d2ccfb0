"""Arrays whose entries are like earlier ones: exact in every order, and short."""

import sys

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp import codec
from jaxcomp.codec.arranged import Order, Way, code_arranged
from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.errors import FormatError
from jaxcomp.codec.many_valued import smallest_way

FLOAT32 = np.dtype("<f4")


def coded(values, way):
    raw = bytearray()
    encoder = Encoder(raw.extend)
    code_arranged(encoder, values.dtype, values.shape, way, values)
    return encoder.finish(), bytes(raw)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", Order, ids=lambda order: order.name)
@pytest.mark.parametrize("dtype", ["<u1", "<i2", "<f4", "<f8"])
@given(data=st.data())
def test_every_way_is_exact(dtype, order, packed, data):
    if order == Order.SYMMETRIC:
        side = data.draw(st.integers(0, 6))
        words = data.draw(hnp.arrays(f"<u{np.dtype(dtype).itemsize}", (side, side)))
        words = np.triu(words) | np.triu(words).T
    else:
        shape = data.draw(hnp.array_shapes(max_dims=3, max_side=6))
        words = data.draw(hnp.arrays(f"<u{np.dtype(dtype).itemsize}", shape))
    values, way = words.view(dtype), Way(order, packed)
    decoder = Decoder(*coded(values, way))
    back = code_arranged(decoder, values.dtype, values.shape, way, None)
    assert back.tobytes() == values.tobytes()
    assert decoder.raw_left == 0


@pytest.mark.parametrize("number", range(8))
def test_a_byte_says_the_way(number):
    assert Way.of(number, (3, 3)).number() == number


@pytest.fixture(scope="module")
def w():
    return np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)


def repeated_far_apart(w):
    far = np.random.default_rng(1).normal(size=(2_000, 60)).astype(np.float32)
    return np.concatenate([w, far, w]), far.size + w.size


CASES = {
    # What is stored, and how many of its entries are new.
    "rows": lambda w: (np.tile(w, (4, 1)), w.size),
    "rows in another order": lambda w: (np.concatenate([w, w[::-1]]), w.size),
    "columns": lambda w: (np.tile(w, (1, 4)), w.size),
    "columns in another order": lambda w: (np.concatenate([w, w[:, ::-1]], axis=1), w.size),
    "blocks": lambda w: (np.concatenate([w, 0 * w, w, w]).reshape(4, 60, 60), w.size),
    "far apart": repeated_far_apart,
    "symmetric": lambda w: (w + w.T, w.size // 2),
}


@pytest.mark.parametrize("case", CASES)
def test_entries_that_are_like_earlier_ones_cost_little(tmp_path, w, case):
    values, new = CASES[case](w)
    size = codec.save(tmp_path / "w.jxc", {"w": values})
    # 26.6 bits of a normal number, or 32 where LZMA has it.
    assert size < 1.1 * 4 * new + 500
    assert codec.load(tmp_path / "w.jxc")["w"].tobytes() == values.tobytes()


def test_sorted_numbers_cost_less_than_others(tmp_path, w):
    flat = w.reshape(-1)
    others, ascending = (codec.save(tmp_path / "w.jxc", {"w": x}) for x in (flat, np.sort(flat)))
    # The order of n numbers is worth log2 n! bits, about n log2(n / e).
    assert ascending < others - 0.6 * flat.size * np.log2(flat.size / np.e) / 8


def test_a_fourier_basis_takes_less_than_with_zstd(tmp_path):
    time, frequency = np.arange(256), np.arange(129)[:, None]
    window = np.hanning(257)[:-1]
    angles = 2 * np.pi * frequency * time / 256
    basis = np.concatenate([window * np.cos(angles), -window * np.sin(angles)]).astype(np.float32)
    size = codec.save(tmp_path / "w.jxc", {"w": basis})
    assert size < 0.75 * len(zstandard.ZstdCompressor(level=19).compress(basis.tobytes()))


def test_numbers_like_draws_are_not_given_to_lzma(w):
    assert smallest_way(w) is None
    assert smallest_way(w.astype(np.float16)) is None
    assert smallest_way(np.where(np.abs(w) < 2, 0, w)) is None  # zeros are no repetition


@pytest.mark.parametrize("change", ["damaged", "cut", "longer", "of another size"])
def test_what_lzma_did_not_write_is_refused(w, change):
    values = np.tile(w, (4, 1))
    code, raw = coded(values, Way(packed=True))
    if change == "damaged":
        raw = raw[:100] + bytes([raw[100] ^ 255]) + raw[101:]
    decoder = Decoder(code, raw[:-1] if change == "cut" else raw)
    shape = values.shape
    if change == "longer":
        shape = (1, 60)
    elif change == "of another size":
        shape = (len(values) + 1, 60)
    with pytest.raises(FormatError):
        code_arranged(decoder, FLOAT32, shape, Way(packed=True), None)


def test_without_lzma_nothing_is_packed(tmp_path, monkeypatch, w):
    monkeypatch.setattr("jaxcomp.codec.many_valued.can_pack", lambda: False)
    monkeypatch.setitem(sys.modules, "lzma", None)
    for values in (np.tile(w, (4, 1)), np.sort(w.reshape(-1))):
        codec.save(tmp_path / "w.jxc", {"w": values})
        assert codec.load(tmp_path / "w.jxc")["w"].tobytes() == values.tobytes()


def test_a_packed_array_says_what_this_python_lacks(tmp_path, monkeypatch, w):
    codec.save(tmp_path / "w.jxc", {"w": np.tile(w, (4, 1))})
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(ImportError, match="needs lzma"):
        codec.load(tmp_path / "w.jxc")
