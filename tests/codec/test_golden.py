"""Files of every version of the format, kept since they were written, are read for ever."""

from pathlib import Path

import numpy as np
import pytest

from jaxcomp.codec import container, describe, load, read, save, write
from jaxcomp.codec.choice import choose_scheme

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
