"""Files of every version of the format, kept since they were written, are read for ever."""

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from jaxcomp.codec import container, describe, load, read, save, write
from jaxcomp.codec.arranged import Order, Way
from jaxcomp.codec.choice import choose_scheme
from jaxcomp.codec.facts import Kind
from jaxcomp.codec.levels import smallest_form
from jaxcomp.codec.records import known

GOLDEN = Path(__file__).parent / "golden"


def tree():
    """What the files hold: every type of file content, and odd names."""
    rng = np.random.default_rng(0)
    kernel = rng.choice(np.array([-0.25, 0, 0.25], np.float32), (64, 30), p=[0.05, 0.9, 0.05])
    kernel[10:30], kernel[:, ::4] = 0, 0
    bias = np.where(np.arange(30) % 3, rng.normal(size=30), 0).astype(np.float32)
    steps = np.round(rng.laplace(size=(30, 10)) * 2).clip(-7, 7)
    table = np.array([-1.5, -0.3, 0, 0.2, 0.9], np.float32)
    return {
        "params": {
            "Dense_0": {"bias": bias, "kernel": kernel},
            "Dense_1": {
                "bias": np.zeros(10, np.float32),
                "kernel": steps.astype(np.float32) * np.float32(0.1),
            },
            "Conv_0": {"kernel": rng.choice(table, (3, 3, 4, 16), p=[0.1, 0.1, 0.6, 0.1, 0.1])},
            "empty": {},
        },
        "steps": np.array(7),
        3: np.arange(-4, 5, dtype=np.int8),
        "mask": np.arange(20) % 3 == 0,
        "half": np.linspace(-1, 1, 300).astype(np.float16),
        "nan": np.array([0.0, -0.0, np.nan, np.inf]),
        "none": np.zeros((3, 0, 2)),
        "grüße": np.ones((), np.float64),
    }


def assert_same(one, other):
    assert list(one) == list(other)
    for key, value in one.items():
        if isinstance(value, dict):
            assert_same(value, other[key])
        else:
            assert (value.shape, value.dtype) == (other[key].shape, other[key].dtype)
            assert value.tobytes() == other[key].tobytes()


@pytest.mark.parametrize("version", range(1, container.VERSION + 1))
def test_files_of_every_version_are_read(version):
    path = GOLDEN / f"version{version}.jxc"
    assert_same(load(path), tree())
    info = describe(path)
    assert info.version == version
    assert sum(tensor.payload_bytes for tensor in info.tensors) < info.file_bytes


def few_valued():
    """Levels for which every part of the models of version 2 is used."""
    rng = np.random.default_rng(0)
    pixels = rng.choice([-2, -1, 1, 3], (4, 4, 12)) * (rng.random((4, 4, 12)) < 0.3)
    pixels = np.repeat(np.repeat(pixels, 3, axis=0), 3, axis=1) * (rng.random((12, 12, 12)) < 0.9)
    gains = np.exp(rng.normal(size=(50, 1))) * np.exp(rng.normal(size=(1, 40)))
    scaled = np.rint(rng.normal(size=(50, 40)) * gains * 10).clip(-90, 90)
    chances = rng.random((100, 1)) ** 2 * rng.random((1, 90)) ** 2
    uneven = rng.integers(-1, 2, (100, 90)) * (rng.random((100, 90)) < chances)
    return {
        "pixels": (pixels.reshape(144, 12).astype(np.int8), np.array(0.25, np.float32)),
        "transposed": (pixels.reshape(144, 12).T.astype(np.int8), np.array(0.5, np.float16)),
        "scaled": (scaled.astype(np.int8), np.array(0.1)),
        "uneven": (uneven.astype(np.int8), rng.random((1, 90)).astype(np.float32)),
    }


def many_valued():
    """Arrays for which the kinds and the schemes are used that came with version 3."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(40, 30)).astype(np.float32)
    return {
        "float32": w * 2.0 ** rng.integers(-3, 4, (40, 1)).astype(np.float32),
        "float16": w.astype(np.float16),
        "float64": w.astype(np.float64) / 3,
        "bfloat16": w.astype(ml_dtypes.bfloat16),
        "repeated": np.tile(w[:10], (3, 1)),
        "columns": np.concatenate([w[:, :10], w[:, 9::-1]], axis=1),
        "ascending": np.sort(w.reshape(-1)),
        "symmetric": w[:30] + w[:30].T,
        "levels": np.rint(20 * rng.normal(size=(40, 30)) * 2.0 ** rng.normal(size=(40, 1)))
        .clip(-127, 127)
        .astype(np.int8),
    }


def test_the_golden_arrays_of_many_values_use_all_ways_to_code_them():
    found = {name: known(form_of(array), {}).facts for name, array in many_valued().items()}
    for name in ("float32", "float16", "float64", "bfloat16"):
        assert found[name].kind == Kind.FLOATS
    assert found["float32"].scheme.axes == (0,)
    assert [found[name].way for name in ("repeated", "columns", "ascending", "symmetric")] == [
        Way(Order.ROWS, packed=True),
        Way(Order.COLUMNS, packed=True),
        Way(Order.DIFFERENCES, packed=True),
        Way(Order.SYMMETRIC),
    ]
    assert found["levels"].scheme.prior is not None


def form_of(array):
    return smallest_form(array)[0]


def test_arrays_of_many_values_of_the_golden_file(tmp_path):
    golden = GOLDEN / "version3_many.jxc"
    assert_same(load(golden), many_valued())
    save(tmp_path / "now.jxc", many_valued())
    assert (tmp_path / "now.jxc").read_bytes() == golden.read_bytes()


@pytest.mark.parametrize("file", ["version2_levels", "version2_segments", "version3_levels"])
def test_levels_and_codebooks_of_the_golden_files(file):
    found = read(GOLDEN / f"{file}.jxc")
    for name, expected in few_valued().items():
        for one, other in zip(found[name], expected, strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tobytes() == other.tobytes()


def test_the_same_levels_give_the_bytes_of_the_golden_file(tmp_path):
    write(tmp_path / "now.jxc", few_valued())
    golden = GOLDEN / f"version{container.VERSION}_levels.jxc"
    assert (tmp_path / "now.jxc").read_bytes() == golden.read_bytes()


def test_the_golden_levels_use_both_ways_to_code_them():
    schemes = {}
    for name, (levels, _) in few_valued().items():
        bounds = min(0, int(levels.min())), max(0, int(levels.max()))
        schemes[name] = choose_scheme(levels, bounds, {})
    assert schemes["pixels"].settings.period == 12
    assert schemes["transposed"].transposed
    assert schemes["scaled"].axes == (0, 1)
    assert schemes["uneven"].settings.densities


def test_the_same_weights_give_the_bytes_of_the_golden_file(tmp_path):
    save(tmp_path / "now.jxc", tree())
    golden = (GOLDEN / f"version{container.VERSION}.jxc").read_bytes()
    assert (tmp_path / "now.jxc").read_bytes() == golden
