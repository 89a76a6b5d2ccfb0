"""Levels and codebooks as they are, and files written array by array."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcomp import codec
from jaxcomp.codec import Writer, read, segments, write


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
    ],
)
def test_what_does_not_fit_is_named(tmp_path, levels, codebook, error, message):
    with pytest.raises(error, match=message):
        write(tmp_path / "w.jxc", {"w": (levels, codebook)})
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


def test_a_long_file_has_several_segments(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    tree = {f"{i}": rng.normal(size=(20, 30)).round(i % 3) for i in range(9)}
    tree["end"] = {}
    one = codec.save(tmp_path / "one.jxc", tree)
    monkeypatch.setattr(segments, "MAX_CODE", 5_000)
    several = codec.save(tmp_path / "several.jxc", tree)
    assert one < several < one + 9 * 8
    for path in ("one.jxc", "several.jxc"):
        loaded = codec.load(tmp_path / path)
        assert list(loaded) == list(tree)
        assert all(same(loaded[name], tree[name]) for name in tree if name != "end")
    info = codec.describe(tmp_path / "several.jxc")
    assert sum(t.payload_bytes for t in info.tensors) == pytest.approx(several, abs=80)


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
    assert 2**13 * size + 2**20 >= 3000 * 3000 * 4
    assert not codec.load(tmp_path / "w.jxc")["w"].any()


def test_pruned_weights_that_were_not_rounded_get_small(tmp_path):
    rng = np.random.default_rng(0)
    w = np.where(rng.random((200, 100)) < 0.1, rng.normal(size=(200, 100)), 0).astype(np.float32)
    assert codec.save(tmp_path / "w.jxc", {"w": w}) < 0.125 * w.nbytes
    assert same(codec.load(tmp_path / "w.jxc")["w"], w)
