"""What becomes of weights, biases and statistics in a compressed file."""

from functools import partial

import jax
import numpy as np
import pytest

import jaxcomp
from jaxcomp.checkpoints import Checkpoint
from jaxcomp.compression import compress
from jaxcomp.compression.arrays import in_memory
from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.quantize.scalar import bits_levels, ternary_levels
from tests.helpers import small_params


def test_nothing_asked_is_nothing_done(tmp_path):
    done = compress(small_params(), tmp_path / "w.jxc")
    assert done.file_bytes == (tmp_path / "w.jxc").stat().st_size
    for name, layer in jaxcomp.load(tmp_path / "w.jxc").items():
        for leaf, array in layer.items():
            np.testing.assert_array_equal(array, small_params()[name][leaf])
    assert {change.relative_error for change in done.tensors} == {0.0}


def test_pruning_and_ternary_weights_leave_biases_alone(tmp_path):
    params = small_params()
    done = compress(params, tmp_path / "w.jxc", sparsity=0.75, quantizer=ternary_levels)
    loaded = jaxcomp.load(tmp_path / "w.jxc")
    kernels = [layer["kernel"] for layer in loaded.values()]
    assert sum(np.count_nonzero(k) for k in kernels) == 8  # of 20 + 12
    assert all(len(np.unique(np.abs(k[k != 0]))) == 1 for k in kernels)
    for name, layer in params.items():
        np.testing.assert_array_equal(loaded[name]["bias"], layer["bias"])
    change = {change.name: change for change in done.tensors}["Dense_0/kernel"]
    w, q = np.asarray(params["Dense_0"]["kernel"]), kernels[0]
    expected = np.linalg.norm(w - q) / np.linalg.norm(w)
    np.testing.assert_allclose(change.relative_error, expected, rtol=1e-6)
    assert (change.elements, change.nonzeros) == (20, np.count_nonzero(q))


def test_biases_are_rounded_if_asked(tmp_path):
    params = small_params()
    compress(params, tmp_path / "w.jxc", bias_quantizer=lambda b: bits_levels(b, 3))
    loaded = jaxcomp.load(tmp_path / "w.jxc")
    for name, layer in params.items():
        bias = loaded[name]["bias"]
        assert (bias != layer["bias"]).any()
        step = np.abs(layer["bias"]).max() / 3
        largest_fixes = step * np.rint(layer["bias"] / step)
        assert np.linalg.norm(bias - layer["bias"]) <= np.linalg.norm(largest_fixes - layer["bias"])
        np.testing.assert_array_equal(loaded[name]["kernel"], layer["kernel"])


def test_empty_zero_and_infinite_weights(tmp_path):
    params = {
        "empty": np.zeros((0, 3)),
        "zero": np.full((2, 2), -0.0),
        "inf": np.array([[np.inf, 1.0, 2.0]]),
    }
    done = compress(params, tmp_path / "w.jxc", sparsity=0.3)
    errors = {t.name: t.relative_error for t in done.tensors}
    assert errors == {"empty": 0.0, "zero": 0.0, "inf": 0.0}
    del params["inf"]
    compress(params, tmp_path / "w.jxc", quantizer=lambda w: bits_levels(w, 4, axis=0))
    assert jaxcomp.load(tmp_path / "w.jxc")["empty"].shape == (0, 3)


def test_one_array_at_a_time_is_loaded_and_those_that_are_done_are_told(tmp_path):
    whole, loaded, told = in_memory(small_params()), [], []
    source = Checkpoint(whole.entries, lambda entry: loaded.append(entry) or whole.load(entry))
    compress(source, tmp_path / "w.jxc", progress=told.append)
    assert loaded == list(whole.entries)
    assert sum(told) == whole.nbytes == 4 * (20 + 12 + 7)


@pytest.mark.parametrize("floor", [-0.1, 0.6, float("nan")])
def test_bad_floor(tmp_path, floor):
    with pytest.raises(ValueError, match=f"from 0 to 0.5, got {floor}"):
        compress(small_params(), tmp_path / "w.jxc", sparsity=0.5, floor=floor)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan")])
def test_bad_sparsity(tmp_path, sparsity):
    with pytest.raises(ValueError, match=rf"in \[0, 1\), got {sparsity}"):
        compress(small_params(), tmp_path / "w.jxc", sparsity=sparsity)


def test_what_cannot_be_rounded_is_named_and_nothing_is_written(tmp_path):
    params = {"layer": {"kernel": np.array([[1.0, np.nan]])}}
    with pytest.raises(ValueError, match="'layer/kernel' has values that are not finite"):
        compress(params, tmp_path / "w.jxc", quantizer=ternary_levels)
    with pytest.raises(ValueError, match="not a number"):
        compress(params, tmp_path / "w.jxc", sparsity=0.5)
    with pytest.raises(ValueError, match="lambda is for weights that are rounded"):
        compress(params, tmp_path / "w.jxc", trade=0.1)
    compress(params, tmp_path / "kept.jxc")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.jxc"]


def test_scales_of_quantized_weights_stay(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "w": rng.integers(-127, 128, (64, 64)).astype(np.int8),
        "w_scale": np.exp(rng.normal(size=(64, 1))).astype(np.float32),
        "absmax": rng.normal(size=64).astype(np.float32),
        "v": rng.normal(size=(64, 64)).astype(np.float32),
    }
    compress(
        arrays,
        tmp_path / "w.jxc",
        sparsity=0.5,
        quantizer=ternary_levels,
        bias_quantizer=lambda b: bits_levels(b, 2),
    )
    loaded = jaxcomp.load(tmp_path / "w.jxc")
    for name in ("w", "w_scale", "absmax"):
        np.testing.assert_array_equal(loaded[name], arrays[name])
    assert np.count_nonzero(loaded["v"]) <= 64 * 32


@pytest.mark.parametrize("name", ["bn.running_var", "bn.power", "stacked/var"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_positive_statistics_never_become_zero(tmp_path, name, bits):
    var = np.exp(1.5 * np.random.default_rng(0).normal(size=256)).astype(np.float32)
    if name == "stacked/var":
        var = var.reshape(4, 64)
    params = {name: var, "bias": np.random.default_rng(1).normal(size=256)}
    quantizer = partial(bits_levels, bits=bits)
    path = tmp_path / "w.jxc"
    compress(params, path, sparsity=0.9, quantizer=quantizer, bias_quantizer=quantizer)
    loaded = jaxcomp.load(path)
    np.testing.assert_array_equal(loaded[name], var)
    assert (loaded["bias"] != params["bias"]).any()


@pytest.mark.parametrize(
    ("density", "floor"), [(0.05, 0.0), (0.05, 0.02), (0.2, 0.2), (0.01, 0.01)]
)
@pytest.mark.filterwarnings("ignore:nothing is left")
def test_the_same_weights_are_kept_as_by_a_mask(tmp_path, density, floor):
    rng = np.random.default_rng(0)
    scales = (1.0, 0.1, 1e-3)
    params = {str(s): s * rng.normal(size=(20, 15)).astype(np.float32) for s in scales}
    compress(params, tmp_path / "w.jxc", sparsity=1 - density, floor=floor)
    expected = apply_mask(params, top_k_mask(params, density, floor=floor))
    jax.tree.map(np.testing.assert_array_equal, jaxcomp.load(tmp_path / "w.jxc"), expected)
