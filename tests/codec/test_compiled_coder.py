"""Loops that numba compiles give the same bytes and the same symbols."""

import sys

import numpy as np
import pytest

from jaxcomp import codec
from jaxcomp.codec import FormatError, fast
from jaxcomp.codec.adaptive import Settings
from jaxcomp.codec.chain import code_chain
from jaxcomp.codec.coder import Decoder, Encoder
from jaxcomp.codec.counted import code_counted
from jaxcomp.codec.logistic import LIMIT
from jaxcomp.codec.scheme import Scheme, code_levels
from tests.codec.test_golden import few_valued

pytest.importorskip("numba", reason="numba (the extra `fast`) is not installed")

from jaxcomp.codec.compiled import CompiledDecoder, CompiledEncoder


def encoded(code):
    """What `code` makes of either encoder: the same bytes, size and work."""
    one, other = Encoder(), CompiledEncoder()
    code(one)
    code(other)
    assert one.position() == other.position()
    assert one.budget.work_done == other.budget.work_done
    data = one.finish()
    assert other.finish() == data
    return data


def decoded(data, code):
    """What `code` gets from either decoder."""
    one, other = Decoder(data), CompiledDecoder(data)
    first, second = code(one), code(other)
    np.testing.assert_array_equal(first, second)
    assert one.budget.work_done == other.budget.work_done
    return first


@pytest.mark.parametrize("seed", range(20))
def test_symbols_and_bits(seed):
    rng = np.random.default_rng(seed)
    plan = []
    for _ in range(rng.integers(1, 20)):
        n = int(rng.choice([0, 1, 5, 100, 3000]))
        if rng.random() < 0.5:
            share = rng.random(n) ** rng.choice([1, 8, 30])  # some next to 0
            ones = np.clip(share * 2**24, 1, 2**24 - 1).astype(np.int32)
            plan.append((ones, rng.random(n) < ones / 2**24))
        else:
            alphabet = int(rng.integers(1, 300))
            weights = rng.integers(1, 10 ** rng.integers(1, 9), alphabet)
            plan.append((weights, rng.integers(0, alphabet, n).astype(np.int32)))

    def encode(encoder):
        for model, symbols in plan:
            if symbols.dtype == bool:
                encoder.bits(model, symbols)
            else:
                encoder.symbols(model, symbols.size, symbols)

    data = encoded(encode)

    def decode(decoder):
        return np.concatenate(
            [
                decoder.bits(model, None)
                if symbols.dtype == bool
                else decoder.symbols(model, symbols.size, None)
                for model, symbols in plan
            ]
        )

    found = decoded(data, decode)
    np.testing.assert_array_equal(found, np.concatenate([symbols for _, symbols in plan]))


@pytest.mark.parametrize("alphabet", [1, 2, 255, 3000])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32])
def test_counted_symbols(alphabet, dtype):
    rng, low = np.random.default_rng(0), 0 if dtype == np.uint8 else -3
    alphabet = min(alphabet, int(np.iinfo(dtype).max) - low + 1)
    symbols = (rng.integers(0, alphabet, 200_000) * rng.random(200_000) + low).astype(dtype)
    data = encoded(lambda coder: code_counted(coder, alphabet, symbols.size, symbols, low=low))

    def decode(coder):
        out = np.zeros((symbols.size, 2), dtype)[:, 1]
        return code_counted(coder, alphabet, symbols.size, None, low=low, out=out)

    np.testing.assert_array_equal(decoded(data, decode), symbols)


@pytest.mark.parametrize("alphabet", [2, 15])
@pytest.mark.parametrize("period", [1, 7])
@pytest.mark.parametrize("hinted", [False, True])
def test_chains(alphabet, period, hinted):
    rng = np.random.default_rng(0)
    symbols = np.repeat(rng.integers(0, alphabet, 60), 5)
    options = {"period": period, "hint": rng.random(300) < 0.5 if hinted else None}
    data = encoded(lambda coder: code_chain(coder, alphabet, 300, symbols=symbols, **options))
    found = decoded(data, lambda coder: code_chain(coder, alphabet, 300, symbols=None, **options))
    np.testing.assert_array_equal(found, symbols)


@pytest.mark.parametrize("largest", [1, 2, 7, 32])
@pytest.mark.parametrize("signs", [(-1, 1), (0, 1), (-1, 0)], ids=str)
@pytest.mark.parametrize(("period", "densities"), [(1, False), (2, True), (5, False)])
def test_levels_row_by_row(largest, signs, period, densities):
    rng = np.random.default_rng(largest)
    shape = (int(rng.integers(2, 100)), int(rng.integers(1, 60)))
    levels = rng.integers(signs[0] * largest, signs[1] * largest + 1, shape).astype(np.int8)
    levels[rng.random(shape) < rng.random((shape[0], 1))] = 0
    levels[0, 0] = signs[1] * largest or -largest
    _same_by_rows(levels, Scheme(settings=Settings(period, densities)))
    _same_by_rows(levels, Scheme(settings=Settings(period, densities), transposed=True))


def test_counts_that_are_halved():
    levels = np.repeat(np.random.default_rng(0).integers(-1, 3, (9, 3)), 500, axis=0)
    assert len(levels) > LIMIT
    _same_by_rows(levels.astype(np.int8), Scheme(settings=Settings(1, False)))


def _same_by_rows(levels, scheme):
    bounds = min(0, int(levels.min())), max(0, int(levels.max()))
    data = encoded(lambda coder: code_levels(coder, levels.shape, bounds, scheme, {}, levels))
    found = decoded(data, lambda coder: code_levels(coder, levels.shape, bounds, scheme, {}, None))
    np.testing.assert_array_equal(found, levels)


def test_carries_beyond_many_words():
    # The interval hangs around a power of two: words of ones are held, then all change.
    weights = np.array([2**20, 1, 2**20])

    def code(encoder):
        encoder.symbols(weights, 400, np.ones(400, np.int32))
        encoder.symbols(weights, 1, np.array([2], np.int32))

    data = encoded(code)
    found = decoded(data, lambda decoder: decoder.symbols(weights, 401, None))
    np.testing.assert_array_equal(found, [*[1] * 400, 2])


def test_bytes_that_are_no_code():
    data = b"\xff" * 100
    for decoder in (Decoder(data), CompiledDecoder(data)):
        with pytest.raises(FormatError, match="not a valid code"):
            decoder.symbols(np.full(3, 7), 1_000, None)
        with pytest.raises(FormatError, match="not a valid code"):
            decoder.bits(np.full(10**4, 2**23), None)


def test_files_are_the_same_with_and_without(tmp_path, monkeypatch):
    files = {}
    for name, found in (
        ("with", (CompiledEncoder, CompiledDecoder)),
        ("without", (Encoder, Decoder)),
    ):
        for module in ("stream", "stored", "choice"):
            monkeypatch.setattr(
                f"jaxcomp.codec.{module}.coders", lambda entries, found=found: found
            )
        path = tmp_path / f"{name}.jxc"
        codec.write(path, few_valued())
        files[name] = path.read_bytes()
        read = codec.read(path)
        assert all((read[n][0] == levels).all() for n, (levels, _) in few_valued().items())
    assert files["with"] == files["without"]


@pytest.fixture
def unused(monkeypatch):
    """A process that has coded nothing and has not imported numba."""
    monkeypatch.setattr(fast, "_entries", 0)
    monkeypatch.delitem(sys.modules, "numba")
    fast._compiled.cache_clear()
    yield
    fast._compiled.cache_clear()


def test_numba_is_imported_for_much_alone(unused):
    assert fast.coders(1_000) == (Encoder, Decoder)
    assert fast.coders(2**24) == (CompiledEncoder, CompiledDecoder)
    assert fast.coders(1) == (CompiledEncoder, CompiledDecoder)


def test_without_numba_or_with_one_that_fails(unused, monkeypatch):
    monkeypatch.setitem(sys.modules, "jaxcomp.codec.compiled", None)  # an ImportError
    assert fast.coders(2**24) == (Encoder, Decoder)
