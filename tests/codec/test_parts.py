"""Large arrays lie apart: some can be read without others, by several threads, and once if tied."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxcomp import codec
from jaxcomp.codec import FormatError, container, stream
from tests.codec.test_file import assert_same_bits, trees
from tests.codec.test_golden import GOLDEN, few_valued, tree


@pytest.fixture
def small_parts(monkeypatch):
    """Makes parts of arrays that are small for it."""
    monkeypatch.setattr(stream, "_APART", 2**9)
    monkeypatch.setattr(stream, "_PART", 2**13)
    monkeypatch.setattr(stream, "_SCALED", 1)


def params():
    """Arrays of which all but two lie apart if parts are small; two of them are tied."""
    rng = np.random.default_rng(0)
    levels = np.rint(rng.laplace(size=(40, 3, 60)) * np.exp(rng.normal(size=(40, 1, 1))))
    dense = rng.normal(size=(80, 90)).astype(np.float32)
    return {
        "layer": {"kernel": levels.astype(np.float32) * np.float32(0.1), "bias": np.ones(3)},
        "dense": dense,
        "sparse": np.where(rng.random((90, 80)) < 0.3, dense.T, 0),
        "tied": dense.copy(),
        "empty": {},
        "codes": rng.integers(-7, 8, 9_000).astype(np.int8),
        "rows": np.repeat(rng.choice([-1, 0, 1], (9, 40), p=[0.2, 0.6, 0.2]), 50, axis=0),
    }


@pytest.fixture
def path(tmp_path, small_parts):
    """A file of `params`."""
    path = tmp_path / "model.jxc"
    codec.save(path, params())
    return path


@pytest.fixture
def bytes_read(monkeypatch):
    """Counts the bytes that are read of files."""
    counted = []
    read = container.Container._read

    def counting(self, begin, size):
        counted.append(size)
        return read(self, begin, size)

    monkeypatch.setattr(container.Container, "_read", counting)
    return counted


def parts_of_array(path, name):
    """How many parts an array of a file has."""
    with codec.open(path) as file:
        return len(getattr(file._stored[name], "spans", ()))


def test_what_lies_apart_comes_back(path):
    assert_same_bits(codec.load(path), params())
    names = dict.fromkeys(names[0] for names, _ in codec.arrays(path))
    assert list(names) == [name for name in params() if name != "empty"]
    parts = {name: parts_of_array(path, name) for name in ("dense", "layer/kernel", "rows")}
    assert parts["dense"] > 10
    assert parts["layer/kernel"] > 1
    assert parts["rows"] == 1
    assert parts_of_array(path, "layer/bias") == 0


@settings(max_examples=settings().max_examples // 4)  # each writes a file and reads it
@given(trees, st.integers(1, 3))
def test_any_tree_in_parts(tmp_path_factory, tree, threads):
    path = tmp_path_factory.mktemp("parts") / "w.jxc"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_APART", 1)
        patch.setattr(stream, "_PART", 64)
        codec.save(path, tree, threads=threads)
    assert_same_bits(codec.load(path, threads=threads), tree)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads_gives_the_same(path, tmp_path, threads):
    codec.save(tmp_path / "one.jxc", params(), threads=1)
    codec.save(tmp_path / "more.jxc", params(), threads=threads)
    assert (tmp_path / "one.jxc").read_bytes() == (tmp_path / "more.jxc").read_bytes()
    assert_same_bits(codec.load(path, threads=threads), params())
    one, more = codec.read(path, threads=1), codec.read(path, threads=threads)
    assert list(one) == list(more)
    assert codec.describe(path, threads=threads) == codec.describe(path, threads=1)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_threads_that_are_none(path, threads):
    for reader in (codec.load, codec.read, codec.describe, codec.open):
        with pytest.raises(ValueError, match="threads must be a positive integer or None, got"):
            reader(path, threads=threads)
    with pytest.raises(ValueError, match="threads must be"):
        codec.save(path, {}, threads=threads)


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["codes"], {"codes"}),
        (["layer"], {"layer/kernel", "layer/bias"}),
        (["layer/bias", "tied"], {"layer/bias", "tied"}),
        ([], set()),
    ],
)
def test_some_arrays_alone(path, only, names):
    found = dict(codec.names.flatten(codec.load(path, only=only)))
    assert {"/".join(parts) for parts in found} == names
    for (first, *rest), array in found.items():
        expected = params()[first]
        for part in rest:
            expected = expected[part]
        np.testing.assert_array_equal(array, expected)


def test_names_that_are_not_there(path):
    with pytest.raises(ValueError, match="'layer/kernels' is not in the file; it has 'layer/kern"):
        codec.load(path, only=["layer/kernels"])
    with pytest.raises(TypeError, match="only must be a list of names, got the text 'codes'"):
        codec.load(path, only="codes")
    with codec.open(path) as file, pytest.raises(KeyError, match=r"'code' is not in .*has 'codes'"):
        file["code"]


def test_no_more_is_read_than_is_needed(path, bytes_read, monkeypatch):
    monkeypatch.setattr(container, "_TAIL", 2**8)
    size = path.stat().st_size
    with codec.open(path) as file:
        index = sum(bytes_read)
        assert index < 0.1 * size
        bytes_read.clear()
        dense = file["dense"]
        assert 0.8 * dense.nbytes < sum(bytes_read) < dense.nbytes
    bytes_read.clear()
    codec.load(path, only=["codes"])
    assert sum(bytes_read) < index + 9_000 / 2 + 200


def test_an_open_file(path):
    with codec.open(path) as file:
        assert len(file) == 7
        assert list(file)[:3] == ["layer/kernel", "layer/bias", "dense"]
        assert "tied" in file
        assert "other" not in file
        first, again = file["layer/bias"], file["layer/bias"]
        first[0] = 7
        assert again[0] == 1
        np.testing.assert_array_equal(file["tied"], params()["dense"])


def test_tied_arrays_are_stored_once(path, tmp_path):
    without = {name: leaf for name, leaf in params().items() if name != "tied"}
    assert path.stat().st_size - codec.save(tmp_path / "w.jxc", without) < 12
    for threads in (1, 4):
        loaded = codec.load(path, threads=threads)
        loaded["tied"][:] = 0
        np.testing.assert_array_equal(loaded["dense"], params()["dense"])


def test_tied_arrays_of_several_parts_do_not_wait_for_one_another(path, tmp_path):
    # As many as there are threads, each of which would wait for parts that need one.
    tree = {name: params()["dense"] for name in "abcd"}
    codec.save(tmp_path / "w.jxc", tree)
    assert parts_of_array(tmp_path / "w.jxc", "a") > 1
    assert_same_bits(codec.load(tmp_path / "w.jxc", threads=2), tree)


@pytest.mark.parametrize("between", [0, 3, 300])
def test_small_tied_arrays_are_stored_once(tmp_path, between):
    rng = np.random.default_rng(0)
    tied = rng.normal(size=60)
    tree = {"a": tied, **{f"b{i}": np.arange(i) for i in range(between)}, "c": tied, "d": tied}
    once = codec.save(tmp_path / "w.jxc", {**tree, "c": np.zeros(0), "d": np.zeros(0)})
    assert codec.save(tmp_path / "w.jxc", tree) < once + 16
    assert_same_bits(codec.load(tmp_path / "w.jxc"), tree)
    (array,) = codec.load(tmp_path / "w.jxc", only=["d"]).values()
    np.testing.assert_array_equal(array, tied)


def test_levels_with_other_codebooks_are_not_tied(tmp_path):
    levels = np.random.default_rng(0).integers(-7, 8, (50, 40))
    tensors = {name: (levels, np.array(step)) for name, step in (("a", 0.5), ("b", 0.25))}
    codec.write(tmp_path / "w.jxc", tensors)
    found = codec.read(tmp_path / "w.jxc")
    assert [float(codebook) for _, codebook in found.values()] == [0.5, 0.25]


def test_a_damaged_part_leaves_other_arrays_readable(path):
    data = bytearray(path.read_bytes())
    with codec.open(path) as file:
        span = file._stored["dense"].spans[0]
    data[span.begin + 5] ^= 1
    path.write_bytes(data)
    for reader in (codec.load, codec.read, codec.describe, lambda path: list(codec.arrays(path))):
        with pytest.raises(FormatError, match="checksum of a part does not match"):
            reader(path)
    with codec.open(path) as file:
        np.testing.assert_array_equal(file["codes"], params()["codes"])
        with pytest.raises(FormatError, match="checksum of a part"):
            file["dense"]
    assert codec.load(path, only=["layer"])["layer"]["bias"].size == 3


def test_every_byte_of_a_file_with_parts_is_checked(path):
    data = path.read_bytes()
    with codec.open(path) as file:
        spans = [span for one in file._stored.values() for span in getattr(one, "spans", ())]

    def check(path):
        with container.open_container(path) as opened:
            for span in spans:
                opened.part(*span)

    check(path)
    with path.open("r+b", buffering=0) as file:
        for place in range(0, len(data), 7):
            for bits in (16, 0):
                file.seek(place)
                file.write(bytes([data[place] ^ bits]))
                if bits:
                    with pytest.raises(FormatError):
                        check(path)
    check(path)


def test_small_files_are_no_larger_than_before(tmp_path):
    codec.save(tmp_path / "tree.jxc", tree())
    codec.write(tmp_path / "levels.jxc", few_valued())
    for name, before in (("tree", "version2"), ("levels", "version2_levels")):
        size = (tmp_path / f"{name}.jxc").stat().st_size
        assert size <= (GOLDEN / f"{before}.jxc").stat().st_size


@pytest.mark.parametrize(
    "kind", ["levels", pytest.param("scaled", marks=pytest.mark.slow), "floats"]
)
def test_parts_cost_less_than_a_thousandth(tmp_path, monkeypatch, kind):
    rng = np.random.default_rng(0)
    shape = (4_000, 4_000) if kind == "scaled" else (1_500, 2_000)
    w = rng.normal(size=shape).astype(np.float32)
    if kind == "levels":
        w = np.rint(30 * w)
    elif kind == "scaled":
        gains = np.exp(rng.normal(size=(len(w), 1)))
        w = np.rint(3 * w * gains).clip(-60, 60).astype(np.float32)
    several = codec.save(tmp_path / "several.jxc", {"w": w})
    assert parts_of_array(tmp_path / "several.jxc", "w") > 1
    monkeypatch.setattr(stream, "_PART", 2**60)
    one = codec.save(tmp_path / "one.jxc", {"w": w})
    assert several < 1.001 * one
