"""Levels and codebooks as they are, and files written array by array."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp import codec
from jaxcomp.codec import Writer, dtypes, read, write
from jaxcomp.codec.counted import code_counted
from jaxcomp.codec.facts import Facts, Kind, code_facts
from jaxcomp.codec.levels import FewValued
from jaxcomp.codec.planes import code_planes
from tests.codec.crafted import of_coded, write_bytes


def same(one, other):
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)


@given(
    shapes.flatmap(lambda shape: hnp.arrays(np.int8, shape)),
    st.sampled_from([np.float16, np.float32, np.float64, ml_dtypes.bfloat16]),
)
def test_steps_come_back(tmp_path_factory, levels, dtype):
    path = tmp_path_factory.mktemp("steps") / "w.jxc"
    step = np.array(0.37).astype(dtype)
    size = write(path, {"w": (levels, step)})
    assert size == path.stat().st_size
    back, codebook = read(path)["w"]
    assert same(back, levels)
    assert same(codebook, step)
    expected = (levels.astype(np.float64) * float(step)).astype(dtype)
    assert same(codec.load(path)["w"], expected)


@pytest.mark.parametrize("codebook", [[-2.5, -1, 0, 0.25, 3], [1, 2, 7], [-3, -2, 2, 3], [-1.5]])
def test_tables_come_back(tmp_path, codebook):
    codebook = np.array(codebook, np.float32)
    below = int((codebook < 0).sum())
    levels = np.random.default_rng(0).integers(-below, codebook.size - below, (7, 5))
    write(tmp_path / "w.jxc", {"w": (levels, codebook)})
    back, table = read(tmp_path / "w.jxc")["w"]
    np.testing.assert_array_equal(back, levels)
    assert same(table, codebook)
    np.testing.assert_array_equal(codec.load(tmp_path / "w.jxc")["w"], codebook[levels + below])


@pytest.mark.parametrize("shape", [(1, 6), (4, 1), (4, 6)])
def test_steps_for_each_slice(tmp_path, shape):
    rng = np.random.default_rng(0)
    levels, steps = rng.integers(-7, 8, (4, 6)), rng.random(shape).astype(np.float32)
    write(tmp_path / "w.jxc", {"w": (levels, steps)})
    back, codebook = read(tmp_path / "w.jxc")["w"]
    np.testing.assert_array_equal(back, levels)
    assert same(codebook, steps)
    expected = (levels * steps).astype(np.float32)
    np.testing.assert_array_equal(codec.load(tmp_path / "w.jxc")["w"], expected)


def test_steps_of_arrays_without_entries(tmp_path):
    steps = np.ones((0, 1), np.float32)
    write(tmp_path / "w.jxc", {"w": (np.zeros((0, 3), int), steps), "v": (np.ones(9), None)})
    back = read(tmp_path / "w.jxc")
    assert same(back["w"][1], steps)
    assert back["w"][0].shape == (0, 3)
    np.testing.assert_array_equal(codec.load(tmp_path / "w.jxc")["v"], np.ones(9))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 4), (0,)])
@pytest.mark.parametrize("scheme", [*range(7), *range(8, 16)])
def test_arrays_without_entries_have_any_scheme(tmp_path, scheme, shape):
    if 0 < scheme < 7 and len(shape) < 2:
        return

    def content(encoder, text):
        write_bytes(text, b"w\1" + bytes([32 * Kind.SPARSE + dtypes.NAMES.index("int8")]))
        write_bytes(text, bytes([len(shape), *shape, scheme] + ([1] if scheme >= 8 else [])))
        code_planes(encoder, np.dtype(np.int8), 0, np.zeros(0, np.int8))
        write_bytes(text, b"\3")

    path = tmp_path / "w.jxc"
    path.write_bytes(of_coded(content))
    assert same(codec.load(path)["w"], np.zeros(shape, np.int8))
    assert same(read(path)["w"][0], np.zeros(shape, np.int8))
    assert codec.describe(path).tensors[0].shape == shape
    assert [array.shape for _, array in codec.arrays(path)] == [shape]


@pytest.mark.parametrize(("negative", "positive"), [(1, 128), (128, 1), (128, 128), (129, 0)])
@pytest.mark.parametrize("entries", [0, 300])
def test_codebooks_as_large_as_the_type_of_their_levels(tmp_path, negative, positive, entries):
    codebook = np.arange(-negative, positive, dtype=np.float16)
    levels = (np.arange(entries) % codebook.size - negative).astype(np.int16)
    levels[10:] = np.clip(levels[10:], -128, 127)
    small = np.clip(levels, -128, 127).astype(np.int8)
    for one in (levels, small):
        codec.write(tmp_path / "w.jxc", {"w": (one, codebook)})
        values = one.astype(np.float16)
        assert same(codec.load(tmp_path / "w.jxc")["w"], values)
        assert same(FewValued(one, codebook).values(), values)
        assert codec.describe(tmp_path / "w.jxc").tensors[0].elements == entries


@pytest.mark.parametrize("level", [-(2**15), -(2**15) + 1, 2**15 - 1, 2**15])
def test_the_largest_levels_that_a_file_can_have(tmp_path, level):
    low, high = min(level, 0), max(level, 0)
    facts = Facts(Kind.STEP, np.dtype("<f4"), (3,), (low, high))

    def content(encoder, text):
        write_bytes(text, b"w\1")
        code_facts(text, facts)
        code_planes(encoder, facts.dtype, 1, np.ones(1, np.float32))
        code_counted(encoder, high - low + 1, 3, np.full(3, level, np.int32), low=low)
        write_bytes(text, b"\3")

    (tmp_path / "w.jxc").write_bytes(of_coded(content))
    assert same(codec.load(tmp_path / "w.jxc")["w"], np.full(3, level, np.float32))
    np.testing.assert_array_equal(read(tmp_path / "w.jxc")["w"][0], np.full(3, level))


@pytest.mark.parametrize(
    "params", [{"a/b": np.ones(1), "a": {"b": np.zeros(2)}}, {5: np.ones(1), "5": np.zeros(2)}]
)
def test_names_that_become_the_same_are_not_read(tmp_path, params):
    codec.save(tmp_path / "w.jxc", params)
    with pytest.raises(ValueError, match=r"two arrays would have the name '(a/b|5)'"):
        read(tmp_path / "w.jxc")
    assert len(list(codec.arrays(tmp_path / "w.jxc"))) == 2


def test_large_levels_and_arrays_without_a_codebook(tmp_path):
    rng = np.random.default_rng(0)
    levels = rng.integers(-32767, 32768, 50)
    noise = rng.normal(size=500)
    write(tmp_path / "w.jxc", {"w": (levels, np.array(0.5)), "noise": (noise, None)})
    back = read(tmp_path / "w.jxc")
    np.testing.assert_array_equal(back["w"][0], levels)
    assert same(back["noise"][0], noise)
    assert back["noise"][1] is None


@pytest.mark.parametrize(
    ("levels", "codebook", "error", "message"),
    [
        (np.zeros(3), np.array(1.0), TypeError, "'w': levels must be integers, got float64"),
        (np.zeros(3, int), np.array(1), TypeError, "floating-point type, got int64"),
        (np.zeros(3, int), np.array(1j), TypeError, "complex128 cannot be stored"),
        (np.array([40_000]), np.array(1.0), ValueError, "levels are from 40000 to 40000"),
        (np.array([1]), np.array([0.0, 0.0]), ValueError, "ascending"),
        (np.array([1]), np.array([]), ValueError, "at least one"),
        (np.array([2]), np.array([-1.0, 0.0, 1.0]), ValueError, "has values for -1 to 1"),
        (np.zeros((2, 3), int), np.ones((3, 1)), ValueError, r"steps of shape \(3, 1\) do not fit"),
        (np.zeros((2, 3), int), np.ones((1, 1, 1)), ValueError, "do not fit levels of shape"),
        (np.ones(2, int), np.array(np.nan), ValueError, "'w': steps must be positive .*, got nan"),
        (np.ones(2, int), np.array(np.inf), ValueError, "steps must be positive and finite"),
        (np.ones(2, int), np.array(0.0), ValueError, "'w': steps must be positive .*, got 0.0"),
        (np.ones((1, 2), int), np.array([[1.0, -2]]), ValueError, "steps must .*, got -2.0"),
        (np.array([0]), np.array([np.nan]), ValueError, "'w': the values of a codebook must be"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, levels, codebook, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path / "w.jxc", {"w": (levels, codebook)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"w": 5}, r"'w' must be a pair \(levels, codebook\), got a int"),
        ({"w": np.ones((2, 3), int)}, "'w' must be a pair .* got a ndarray"),
        ({"w": (np.ones(3, int),)}, "'w' must be a pair"),
        ([("w", 5)], r"tensors must be a dict of \(levels, codebook\), got a list"),
    ],
)
def test_what_is_no_pair_is_named(tmp_path, tensors, message):
    with pytest.raises(TypeError, match=message):
        write(tmp_path / "w.jxc", tensors)
    assert not list(tmp_path.iterdir())


def test_a_writer_writes_array_by_array(tmp_path):
    path = tmp_path / "w.jxc"
    with Writer(path) as writer:
        writer.add(("a", 0), np.arange(3.0))
        assert not path.exists()
        writer.add_levels(("a", "b"), np.array([1, -1]), np.array(0.5))
    assert writer.file_bytes == path.stat().st_size
    names = [names for names, _ in codec.arrays(path)]
    assert names == [("a", 0), ("a", "b")]


def test_an_array_needs_a_name(tmp_path):
    with Writer(tmp_path / "w.jxc") as writer, pytest.raises(ValueError, match="needs a name"):
        writer.add((), np.ones(1))


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_writer_takes_each_name_once(tmp_path, names):
    with Writer(tmp_path / "w.jxc") as writer:
        writer.add(("a", "b"), np.ones(1))
        with pytest.raises(ValueError, match=r"twice|is an array"):
            writer.add(names, np.ones(1))


def test_an_exception_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.jxc"
    codec.save(path, {"w": np.ones(3)})
    before = path.read_bytes()

    def interrupted():
        with Writer(path) as writer:
            writer.add(("w",), np.zeros(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.jxc"]


def test_almost_only_zeros_make_a_file_as_large_as_the_limits_ask(tmp_path):
    size = codec.save(tmp_path / "w.jxc", {"w": np.zeros((3000, 3000), np.float32)})
    assert 2**13 * (size - 16) + 2**20 < 3000 * 3000 * 4 <= 2**13 * size + 2**20
    assert not codec.load(tmp_path / "w.jxc")["w"].any()


def test_pruned_weights_that_were_not_rounded_get_small(tmp_path):
    rng = np.random.default_rng(0)
    w = np.where(rng.random((200, 100)) < 0.1, rng.normal(size=(200, 100)), 0).astype(np.float32)
    assert codec.save(tmp_path / "w.jxc", {"w": w}) < 0.125 * w.nbytes
    assert same(codec.load(tmp_path / "w.jxc")["w"], w)
