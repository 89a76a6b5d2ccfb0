"""Files: exactly what was given comes back, whole or not at all."""

import os
import subprocess
import sys
import textwrap
import time

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import jaxcomp
from jaxcomp import codec
from jaxcomp.codec import describe, dtypes, load, save
from tests.helpers import small_params

DTYPES = [ml_dtypes.bfloat16 if name == "bfloat16" else name for name in dtypes.NAMES]


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict):
            assert_same_bits(value, other[key])
        else:
            assert (value.shape, value.dtype) == (other[key].shape, other[key].dtype)
            assert value.tobytes() == other[key].tobytes()


def round_trip(tmp_path, params):
    size = save(tmp_path / "model.jxc", params)
    assert size == (tmp_path / "model.jxc").stat().st_size
    return load(tmp_path / "model.jxc")


names = st.text(max_size=5) | st.integers(-(2**63), 2**64 - 1)
arrays = st.sampled_from(
    ["bool", "int8", "int64", "uint16", "float16", "float32", "float64"]
).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=5)))
trees = st.dictionaries(
    names,
    st.recursive(arrays, lambda children: st.dictionaries(names, children), max_leaves=8),
    max_size=4,
)


@given(trees)
def test_round_trip_of_any_tree_is_exact(tmp_path_factory, tree):
    assert_same_bits(round_trip(tmp_path_factory.mktemp("tree"), tree), tree)


@pytest.mark.parametrize(
    "array",
    [
        np.array([-(2**63), 0]),
        np.array([[-(2**63), 1]]),
        np.array([[2**63 - 512, 1]]),
        np.array([[2**64 - 1, 1]], np.uint64),
        np.array([[-128, 0], [0, -128]], np.int8),
    ],
    ids=str,
)
def test_round_trip_of_the_ends_of_integer_types(tmp_path, array):
    assert_same_bits(round_trip(tmp_path, {"a": array}), {"a": array})


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (40, 30)], ids=str)
def test_round_trip_of_each_type(tmp_path, dtype, shape):
    rng = np.random.default_rng(0)
    for values in ([0, 1], range(100)):
        array = rng.choice(np.array(values), shape).astype(dtype)
        assert_same_bits(round_trip(tmp_path, {"w": array}), {"w": array})


def test_bits_that_compare_equal_are_told_apart(tmp_path):
    one, other_nan = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    w = np.tile(np.array([0.0, -0.0, one, other_nan, np.inf], np.float32), 100)
    assert_same_bits(round_trip(tmp_path, {"w": w}), {"w": w})


@pytest.mark.parametrize("values", [1, 2, 255, 256, 257, 5000])
def test_small_and_large_codebooks(tmp_path, values):
    w = np.random.default_rng(0).permutation(np.arange(10_000, dtype=np.float32) % values)
    assert_same_bits(round_trip(tmp_path, {"w": w}), {"w": w})
    assert describe(tmp_path / "model.jxc").tensors[0].values == (values if values <= 256 else None)


def test_layout_in_memory_does_not_matter(tmp_path):
    w = np.arange(12.0).reshape(3, 4)
    params = {
        "fortran": np.asfortranarray(w),
        "strided": w[::2, ::-1],
        "big_endian": w.astype(">f8"),
    }
    loaded = round_trip(tmp_path, params)
    for name, value in params.items():
        np.testing.assert_array_equal(loaded[name], value)
        assert loaded[name].dtype == np.float64
        assert loaded[name].flags.writeable


def test_jax_arrays_and_order_of_names(tmp_path):
    params = {"b": {"z": jnp.ones((2, 2), jnp.bfloat16), "a": jnp.zeros(3)}, "a": jnp.ones(())}
    loaded = round_trip(tmp_path, params)
    assert list(loaded) == ["b", "a"]
    assert list(loaded["b"]) == ["z", "a"]
    assert loaded["b"]["z"].dtype == jnp.bfloat16
    assert jax.tree.structure(loaded) == jax.tree.structure(params)


def test_the_same_weights_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save(tmp_path / name, small_params())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_ternary_weights_take_their_entropy_and_little_more(tmp_path):
    rng = np.random.default_rng(0)
    w = rng.choice(np.array([-0.5, 0.0, 0.5], np.float32), (300, 100), p=[0.025, 0.95, 0.025])
    counts = np.unique(w, return_counts=True)[1] / w.size
    entropy_bytes = w.size * -np.sum(counts * np.log2(counts)) / 8
    assert save(tmp_path / "w.jxc", {"w": w}) < entropy_bytes + 80


def test_describe(tmp_path):
    w = np.where(np.arange(400) % 4, 0, np.float32(2)).reshape(20, 20)
    noise = np.random.default_rng(0).normal(size=300)
    size = save(tmp_path / "m.jxc", {"layer": {"kernel": w, 0: noise}})
    info = describe(tmp_path / "m.jxc")
    kernel, other = info.tensors
    assert info.file_bytes == size
    assert kernel[:6] == ("layer/kernel", (20, 20), "float32", 400, 100, 2)
    assert other[:6] == ("layer/0", (300,), "float64", 300, 300, None)
    assert 2100 < other.payload_bytes < 2400  # their exponents are alike
    assert 0 < kernel.payload_bytes < 50
    assert sum(t.payload_bytes for t in info.tensors) == pytest.approx(size, abs=20)


@pytest.mark.slow
def test_reading_needs_no_jax(tmp_path):
    save(tmp_path / "model.jxc", {"kernel": np.eye(30, dtype=np.float32)})
    program = """
        import importlib.abc, sys

        MISSING = {"jax", "jaxlib", "flax", "optax", "ml_dtypes", "rich"}

        class Refuse(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name.partition(".")[0] in MISSING:
                    raise ImportError(name + " is not installed")

        sys.meta_path.insert(0, Refuse())
        import jaxcomp
        print(jaxcomp.load(sys.argv[1])["kernel"].sum())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "model.jxc")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "30.0"


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (np.ones(3), TypeError, "must be a nested dict of arrays, got a ndarray"),
        ({"a": [1.0, 2.0]}, TypeError, "'a' is a list"),
        ({"a": {"b": None}}, TypeError, "'a/b' is a NoneType"),
        ({"a": {True: np.ones(1)}}, TypeError, "got True in 'a'"),
        ({("a",): np.ones(1)}, TypeError, "got .* in the top level"),
        ({"w": np.ones(2, complex)}, TypeError, "'w': arrays of type complex128 cannot be stored"),
        ({"w": np.array(["x"])}, TypeError, "'w': arrays of type str"),
        ({"w": np.array([{}], object)}, TypeError, "'w': arrays of type object"),
    ],
)
def test_what_cannot_be_stored_is_named_and_nothing_is_written(tmp_path, params, error, message):
    with pytest.raises(error, match=message):
        save(tmp_path / "model.jxc", params)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("function", [jaxcomp.save, codec.write])
def test_arrays_that_are_traced_are_named(tmp_path, function):
    def inside(w):
        function(tmp_path / "model.jxc", {"w": w if function is jaxcomp.save else (w, w)})

    with pytest.raises(TypeError, match=r"'w': .*traced array"):
        jax.jit(inside)(jnp.ones(3))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [
        ("float16", 0x7C01),
        ("float32", 0x7F800001),
        ("float64", 0x7FF0000000000001),
        (ml_dtypes.bfloat16, 0x7F81),
    ],
)
@pytest.mark.parametrize("others", [0, 3, 300], ids=["alone", "few", "many"])
def test_signalling_nans_come_back_without_a_word(tmp_path, dtype, bits, others):
    w = np.arange(others + 1).astype(dtype)
    w.view(f"u{w.itemsize}")[0] = bits
    for params in ({"w": w}, {"w": np.stack([w, np.zeros_like(w)], axis=1)}):
        assert_same_bits(round_trip(tmp_path, params), params)
        describe(tmp_path / "model.jxc")
        codec.read(tmp_path / "model.jxc")


def test_names_and_nesting_beyond_the_format_are_refused(tmp_path):
    deep = {"w": np.ones(1)}
    for _ in range(100):
        deep = {"d": deep}
    with pytest.raises(ValueError, match="more than 64 deep"):
        save(tmp_path / "model.jxc", deep)
    with pytest.raises(ValueError, match="does not fit 64 bits"):
        save(tmp_path / "model.jxc", {2**64: np.ones(1)})
    with pytest.raises(ValueError, match="not valid text"):
        save(tmp_path / "model.jxc", {"\ud800": np.ones(1)})
    assert not os.listdir(tmp_path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.jxc"
    save(path, {"w": np.ones(3)})
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        save(path, {"w": np.zeros(3)})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.jxc"]


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "model.jxc"
    save(path, {"w": np.zeros(3)})
    program = """
        import itertools, sys
        import numpy as np
        from jaxcomp import codec
        for i in itertools.count():
            codec.save(sys.argv[1], {"w": np.full((50, 50), i % 7.0), "noise": np.ones(i % 5)})
            print(i, flush=True)
    """
    for delay in np.linspace(0.001, 0.02, 6):
        command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
        loaded = load(path)
        assert loaded["w"].shape == (50, 50)
        assert len(np.unique(loaded["w"])) == 1


def test_missing_folder_and_missing_file_are_system_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "nowhere" / "model.jxc", {})
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "model.jxc")


def test_weights_that_are_ternary_unit_by_unit_are_found(tmp_path):
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 0, 1], p=[0.05, 0.9, 0.05], size=(400, 100)).astype(np.float32)
    one, each = (
        signs * np.abs(level).astype(np.float32) + 0 for level in (0.37, rng.normal(size=100))
    )
    sizes = [save(tmp_path / "w.jxc", {"kernel": kernel}) for kernel in (one, each)]
    assert load(tmp_path / "w.jxc")["kernel"].tobytes() == each.tobytes()
    assert sizes[1] < sizes[0] + 4 * 100 + 50  # a float32 for each unit, and nothing else
