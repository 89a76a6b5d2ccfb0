"""Checkpoints as small files, from Python and from the command line."""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import serialization
from flax.training.train_state import TrainState
from safetensors.numpy import save_file

import jaxcomp
from jaxcomp import codec
from jaxcomp.checkpoints import (
    Checkpoint,
    open_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from jaxcomp.cli import main
from jaxcomp.compress import compress, in_memory
from jaxcomp.prune import apply_mask, top_k_mask
from jaxcomp.quantize.scalar import bits_levels, ternary_levels
from jaxcomp.trees import named_leaves
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


@pytest.fixture
def checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        ("fc.weight",): rng.normal(size=(100, 50)).astype(np.float32),
        ("fc.bias",): rng.normal(size=100).astype(np.float32),
    }
    write_checkpoint(tmp_path / "model.safetensors", arrays.items())
    return tmp_path / "model.safetensors"


def test_there_and_back_on_the_command_line_is_exact(checkpoint, tmp_path, capsys):
    file, back = str(tmp_path / "model.jxc"), str(tmp_path / "back.safetensors")
    assert main(["compress", str(checkpoint), "-o", file]) == 0
    assert main(["decompress", file, "-o", back]) == 0
    assert "times smaller" in capsys.readouterr().out
    before, after = read_checkpoint(checkpoint), read_checkpoint(back)
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_rounded_weights_are_found_again_in_what_was_decompressed(checkpoint, tmp_path):
    file, back, again = (str(tmp_path / name) for name in ("a.jxc", "back.safetensors", "b.jxc"))
    assert main(["compress", str(checkpoint), "-o", file, "--bits=4"]) == 0
    assert main(["decompress", file, "-o", back]) == 0
    assert main(["compress", back, "-o", again]) == 0
    assert (tmp_path / "a.jxc").read_bytes() == (tmp_path / "b.jxc").read_bytes()


def test_ternary_on_the_command_line(checkpoint, tmp_path, capsys):
    file, report = tmp_path / "model.jxc", tmp_path / "report.json"
    command = ["compress", str(checkpoint), "-o", str(file), "--prune=0.9", "--ternary"]
    assert main([*command, f"--report={report}"]) == 0
    assert f"to {file.stat().st_size:,} bytes" in capsys.readouterr().out
    weight = jaxcomp.load(file)["fc.weight"]
    assert np.count_nonzero(weight) == 500
    assert len(np.unique(weight)) == 3
    written = json.loads(report.read_text())
    assert written["bytes"] == file.stat().st_size < 1_300
    error = {t["name"]: t["relative_error"] for t in written["tensors"]}
    assert 0 < error["fc.weight"] < 1
    assert error["fc.bias"] == 0
    assert main(["inspect", str(file), "--original", str(checkpoint), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["tensors"]
    assert {t["name"]: t["relative_error"] for t in shown} == error


@pytest.mark.parametrize(
    ("option", "values"), [("--levels=16", 16), ("--bits=4", 15), ("--step=0.5", 20)]
)
def test_few_values_on_the_command_line(checkpoint, tmp_path, option, values):
    file = tmp_path / "model.jxc"
    assert main(["compress", str(checkpoint), "-o", str(file), option]) == 0
    weight, before = jaxcomp.load(file)["fc.weight"], read_checkpoint(checkpoint)["fc.weight"]
    assert 3 < len(np.unique(weight)) <= values
    assert weight.dtype == before.dtype
    assert np.linalg.norm(weight - before) < 0.2 * np.linalg.norm(before)
    size = file.stat().st_size
    assert main(["compress", str(checkpoint), "-o", str(file), option, "--lambda=1"]) == 0
    assert file.stat().st_size < size


def test_a_step_for_each_output_unit(checkpoint, tmp_path, capsys):
    weight, file = read_checkpoint(checkpoint)["fc.weight"], str(tmp_path / "model.jxc")
    assert main(["compress", str(checkpoint), "-o", file, "--bits=4", "--per-unit"]) == 0
    assert codec.read(file)["fc.weight"][1].shape == (100, 1)
    said = "output units are the first axis of 1 array (as PyTorch and Equinox have it, by the name"
    assert said in capsys.readouterr().out
    with ocp.StandardCheckpointer() as saver:
        saver.save(tmp_path / "folder", {"layer": {"kernel": weight}})
    folder = str(tmp_path / "folder")
    assert main(["compress", folder, "-o", file, "--bits=4", "--per-unit"]) == 0
    levels, steps = codec.read(file)["layer/kernel"]
    assert steps.shape == (1, 50)
    assert (steps[0] <= np.abs(weight).max(axis=0) / 7 * (1 + 1e-6)).all()
    np.testing.assert_array_equal(np.abs(levels).max(axis=0), 7)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_units_of_a_convolution_of_flax_in_files_of_other_programs(suffix, tmp_path):
    """`decompress` writes them as they were: [height, width, inputs, outputs]."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 6)).astype(np.float32)
    jaxcomp.save(tmp_path / "a.jxc", {"Conv_0": {"kernel": kernel}})
    other, file = tmp_path / f"a{suffix}", tmp_path / "b.jxc"
    assert main(["decompress", str(tmp_path / "a.jxc"), "-o", str(other)]) == 0
    assert main(["compress", str(other), "-o", str(file), "--bits=4", "--per-unit"]) == 0
    assert codec.read(file)["Conv_0/kernel"][1].shape == (1, 1, 1, 6)
    options = ["--ternary", "--per-unit", "--unit-axis=2", "--report", str(tmp_path / "r.json")]
    assert main(["compress", str(other), "-o", str(file), *options]) == 0
    assert codec.read(file)["Conv_0/kernel"][1].shape == (1, 1, 4, 1)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["unit_axes"] == ["axis 2 of 1 array (as given)"]


def test_units_in_memory_and_an_axis_that_is_a_guess(tmp_path):
    params = {"w": np.eye(3, 4, dtype=np.float32), "v": np.ones((2, 5), np.float32)}
    done = compress(params, tmp_path / "a.jxc", quantizer=ternary_levels, per_unit=True)
    assert done.unit_axes == (
        "the last axis of 2 arrays (a guess, nothing says which: see --unit-axis)",
    )
    with pytest.raises(ValueError, match="per_unit is for weights that are rounded"):
        compress(params, tmp_path / "a.jxc", per_unit=True)
    with pytest.raises(ValueError, match="units_on=1 is for levels of units"):
        compress(params, tmp_path / "a.jxc", quantizer=ternary_levels, units_on=1)


def test_ways_to_round_exclude_each_other(checkpoint, capsys):
    with pytest.raises(SystemExit):
        main(["compress", str(checkpoint), "-o", "x.jxc", "--ternary", "--bits=4"])
    assert "not allowed with argument" in capsys.readouterr().err


MODEL = ["compress", "model.safetensors", "-o", "x.jxc"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*MODEL, "--bits=9"], "--bits must be from 2 to 8, got 9"),
        ([*MODEL, "--bias-bits=1"], "--bias-bits must be from 2 to 8, got 1"),
        ([*MODEL, "--levels=1"], "from 2 to 256, got 1"),
        ([*MODEL, "--step=0"], "positive and finite"),
        ([*MODEL, "--step=1e-9"], "give a larger step"),
        ([*MODEL, "--lambda=1"], "--lambda needs one of --ternary"),
        ([*MODEL, "--bits=4", "--lambda=-1"], "--lambda must be at least 0"),
        ([*MODEL, "--levels=4", "--per-unit"], "--per-unit needs --ternary or --bits"),
        ([*MODEL, "--bits=4", "--unit-axis=0"], "--unit-axis needs --per-unit"),
        ([*MODEL, "--bits=4", "--per-unit", "--unit-axis=2"], "2 axes, and none of number 2: give"),
        ([*MODEL, "--prune=2"], r"in [0, 1), got 2.0"),
        ([*MODEL, "--floor=0.1"], "--floor needs --prune"),
        ([*MODEL, "--prune=0.9", "--floor=0.2"], "from 0 to 0.1, which --prune leaves, got 0.2"),
        ([*MODEL, "--only=("], "--only is not a regular expression"),
        ([*MODEL, "--exclude=."], "none of the 2 arrays, such as 'fc.bias', 'fc.weight'"),
        ([*MODEL, "--report=nowhere/x.json"], "No such file"),
        ([*MODEL, "--report=model.safetensors"], "--report needs a file of its own"),
        ([*MODEL, "--report=."], "Is a directory"),
        (["compress", "nowhere.npz", "-o", "x.jxc"], "nowhere.npz: No such file"),
        (["compress", "model.pt", "-o", "x.jxc"], "choose from .safetensors, .npz, .msgpack"),
        (["compress", "model.safetensors", "-o", "model.safetensors"], "must be a .jxc file"),
        (["compress", "model.safetensors", "-o", "nowhere/x.jxc"], "nowhere/x.jxc: No such file"),
        (["decompress", "model.safetensors", "-o", "x.npz"], "not a .jxc file"),
        (["decompress", "x.jxc", "-o", "x.pt"], "x.pt: cannot write checkpoints"),
        (["decompress", "x.jxc", "-o", "x.npz"], "x.jxc: No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(checkpoint, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(checkpoint.parent)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in checkpoint.parent.iterdir()] == ["model.safetensors"]


def test_an_original_of_another_network(checkpoint, tmp_path, capsys):
    codec.save(tmp_path / "x.jxc", {"other": np.ones(3)})
    assert main(["inspect", str(tmp_path / "x.jxc"), "--original", str(checkpoint)]) == 1
    assert "it has no array 'other' of shape (3,)" in capsys.readouterr().err


def train_state():
    """A state of training after one step of Adam, as flax writes it."""
    rng = np.random.default_rng(0)
    params = {"k": jnp.asarray(rng.normal(size=(100, 50)), jnp.float32), "b": jnp.ones(50)}
    state = TrainState.create(apply_fn=None, params=params, tx=optax.adam(1e-3))
    return state.apply_gradients(grads=jax.tree.map(lambda p: 1e-3 * p, params))


@pytest.fixture(params=["msgpack", "orbax", "npz"])
def training(request, tmp_path, standard_promotion):
    state = train_state()
    if request.param == "msgpack":
        path = tmp_path / "state.msgpack"
        path.write_bytes(serialization.to_bytes(state))
    elif request.param == "orbax":
        path = tmp_path / "state"
        with ocp.StandardCheckpointer() as saver:
            saver.save(path, state)
    else:
        path = tmp_path / "state.npz"
        flat = {name.replace("/", "."): leaf for name, leaf in named_leaves(state).items()}
        np.savez(path, **flat)
    return str(path)


def leaf(loaded, name):
    """A leaf by the end of its name, whatever is between dicts."""
    return next(a for n, a in named_leaves(loaded).items() if n.replace(".", "/").endswith(name))


def test_weights_are_pruned_and_the_state_of_training_is_left_out(training, tmp_path, capsys):
    file = str(tmp_path / "model.jxc")
    assert main(["compress", training, "-o", file, "--prune=0.6"]) == 0
    out = capsys.readouterr().out
    assert "20,200 bytes to" in out
    assert "'opt_state' (5 arrays, 40,404 bytes)" in out
    assert "'step' (1 array, " in out
    assert "--keep-state stores them too" in out
    loaded = jaxcomp.load(file)
    assert len(named_leaves(loaded)) == 2
    assert np.count_nonzero(leaf(loaded, "params/k")) == 2_000
    np.testing.assert_array_equal(leaf(loaded, "params/b"), train_state().params["b"])


def test_a_state_that_is_kept_is_kept_exactly(training, tmp_path):
    file = str(tmp_path / "model.jxc")
    command = ["compress", training, "-o", file, "--prune=0.6", "--bits=4", "--bias-bits=4"]
    assert main([*command, "--keep-state"]) == 0
    loaded, state = jaxcomp.load(file), train_state()
    assert np.count_nonzero(leaf(loaded, "params/k")) <= 2_000
    for moment in ("mu", "nu"):
        expected = optax.tree.get(state.opt_state, moment)["k"]
        np.testing.assert_array_equal(leaf(loaded, f"{moment}/k"), expected)
    if training.endswith(".msgpack"):
        restored = serialization.from_state_dict(state, loaded)
        assert jax.tree.structure(restored) == jax.tree.structure(state)


def test_regular_expressions_choose_the_network(training, tmp_path, capsys):
    file = str(tmp_path / "model.jxc")
    assert main(["compress", training, "-o", file, "--bits=2", "--only", r"mu[./]k"]) == 0
    assert len(named_leaves(jaxcomp.load(file))) == 1
    assert main(["compress", training, "-o", file, "--bits=2", "--exclude=k$"]) == 0
    assert len(named_leaves(jaxcomp.load(file))) == 1
    capsys.readouterr()
    assert main(["compress", training, "-o", file, "--only=nothing"]) == 1
    assert "none of the 8 arrays" in capsys.readouterr().err


def test_empty_dicts_and_integer_names_come_back(tmp_path):
    params = {"a": {}, "blocks": {0: np.ones((2, 2)), 1: {}}, "opt_state": {"b": {}}}
    compress(params, tmp_path / "w.jxc")
    loaded = jaxcomp.load(tmp_path / "w.jxc")
    assert (loaded["a"], loaded["blocks"].keys(), loaded["blocks"][1]) == ({}, {0, 1}, {})
    assert "opt_state" not in loaded
    compress(params, tmp_path / "w.jxc", keep_state=True)
    assert jaxcomp.load(tmp_path / "w.jxc")["opt_state"] == {"b": {}}


def test_metadata_goes_there_and_back(tmp_path, capsys):
    source, file, back = (str(tmp_path / n) for n in ("a.safetensors", "a.jxc", "b.safetensors"))
    metadata = {"format": "pt", "long": "x" * 2_000}
    save_file({"w": np.ones((2, 2), np.float32)}, source, metadata)
    assert main(["compress", source, "-o", file]) == 0
    assert "the metadata 'long' is too long, and left out" in capsys.readouterr().out
    assert jaxcomp.load(file).keys() == {"w"}
    assert codec.metadata(file) == {"format": "pt"}
    assert [t.name for t in codec.describe(file).tensors] == ["w"]
    assert main(["decompress", file, "-o", back]) == 0
    with open_checkpoint(back) as checkpoint:
        assert checkpoint.metadata == {"format": "pt"}


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


def test_weights_that_rounding_destroys_are_named(tmp_path, capsys):
    w = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    outlier = w.copy()
    outlier[0, 0] = 1e30
    source, file, report = (str(tmp_path / n) for n in ("a.npz", "a.jxc", "r.json"))
    np.savez(source, good=w, bad=outlier, wide=w.astype(np.float64) * 1e200)
    assert main(["compress", source, "-o", file, "--bits=4", f"--report={report}"]) == 0
    captured = capsys.readouterr()
    warned = captured.err.splitlines()
    assert "warning: the relative error of 'bad' without its largest weights is 100%" in warned[0]
    assert "--exclude" in warned[1]
    assert len(warned) == 2
    written = json.loads(Path(report).read_text(), parse_constant=pytest.fail)
    errors = {t["name"]: t for t in written["tensors"]}
    assert errors["bad"]["relative_error"] < 1e-20
    assert errors["bad"]["trimmed_error"] == 1
    np.testing.assert_allclose(
        errors["wide"]["relative_error"], errors["good"]["relative_error"], rtol=1e-5
    )
    assert f"'good' {errors['good']['relative_error']:.2%}" in captured.out
    np.testing.assert_allclose(
        written["relative_error"], errors["wide"]["relative_error"], rtol=1e-12
    )


def test_layers_that_are_pruned_away_are_named_and_a_floor_keeps_them(tmp_path, capsys):
    rng = np.random.default_rng(0)
    source, file = str(tmp_path / "a.npz"), str(tmp_path / "a.jxc")
    fc1, fc2 = rng.normal(size=(100, 100)), 1e-3 * rng.normal(size=(50, 10))
    np.savez(source, fc1=fc1, fc2=fc2)
    assert main(["compress", source, "-o", file, "--prune=0.95"]) == 0
    assert "warning: nothing is left of 'fc2': all of it is zero" in capsys.readouterr().err
    assert main(["compress", source, "-o", file, "--prune=0.95", "--floor=0.02"]) == 0
    assert "nothing is left" not in capsys.readouterr().err
    loaded = jaxcomp.load(file)
    np.testing.assert_array_equal(np.flatnonzero(loaded["fc2"]), np.sort(order_of(fc2)[:10]))
    assert np.count_nonzero(loaded["fc1"]) == round(0.05 * 10_500) - 10


def order_of(w):
    return np.argsort(-np.abs(w), axis=None)


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
