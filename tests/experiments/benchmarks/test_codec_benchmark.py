"""The benchmark of the codec runs, and its committed record says what the project claims."""

import importlib
import json
import sys

import jax
import ml_dtypes
import numpy as np
import pytest

from experiments.benchmarks import (
    codec,
    codec_fixed,
    codec_levels,
    codec_lossless,
    codec_sets,
    random_checkpoint,
    sharded,
    stand_ins,
    trained_levels,
)
from experiments.benchmarks.peer import Peer
from experiments.benchmarks.temporary import file_bytes, lossless_bytes
from tests.helpers import RESULTS


def small_set(name):
    rng = np.random.default_rng(0)
    return [
        ("w", rng.integers(-1, 2, (20, 10)).astype(np.int8), 1),
        ("v", rng.integers(-8, 9, (20, 10)).astype(np.int8), 16),
    ]


@pytest.mark.slow
def test_it_measures_a_set(monkeypatch):
    monkeypatch.setattr(codec_sets, "KNOWN", {"x": (100, 120, None)})
    monkeypatch.setattr(codec_sets, "load", small_set)
    row = codec_fixed.row_of("x")
    assert row["weights"] == 400
    assert 0 < row["payload_bytes"] < row["file_bytes"]
    for what in ("encode", "decode"):
        assert len(row[f"{what}_million_per_second"]) == 2
        assert min(row[f"{what}_million_per_second"]) > 0


def test_groups_that_are_not_measured_stay_as_they_were(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(codec, "GROUPS", {"a": lambda: [{"x": 1}], "b": lambda: [{"x": 2}]})
    output = tmp_path / "record.json"
    for group, groups in (("a", {"a"}), ("b", {"a", "b"})):
        monkeypatch.setattr(sys, "argv", ["codec", "--only", group, "--output", str(output)])
        codec.main()
        record = json.loads(output.read_text())
        assert record.keys() == groups
    assert record["a"]["rows"] == [{"x": 1}]
    assert record["b"]["rows"] == [{"x": 2}]
    capsys.readouterr()


@pytest.mark.slow
def test_a_small_checkpoint_in_shards(tmp_path, monkeypatch, capsys):
    output = tmp_path / "record.json"
    command = ["sharded", "--shards", "2", "--megabytes", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", command)
    sharded.main()
    rows = {row["what"]: row for row in json.loads(output.read_text())["rows"]}
    assert rows["read one array"]["bytes_read"] < 0.7 * rows["sizes"]["file"]
    assert rows["decompress"]["bytes_read"] >= rows["sizes"]["file"]
    capsys.readouterr()


def test_a_peer_that_is_not_there_has_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXCOMP_CACHE_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"python -m experiments\.benchmarks\.peer"):
        Peer("one", ("numpy",), ("other",)).python()


def test_modules_that_are_not_needed_have_every_attribute(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    stand_ins.stand_in(["never_installed"])
    module = importlib.import_module("never_installed.part")
    assert callable(module.anything)
    for name in ("never_installed", "never_installed.part"):
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("also_never_installed")


def test_levels_of_networks_are_those_that_a_set_says():
    layouts, levels = set(), set()
    for name, made in trained_levels.SETS.items():
        arrays = trained_levels.load(name)
        weights = [one for one, _ in arrays.values() if one.ndim > 1]
        assert max(np.abs(one).max() for one in weights) == made.levels // 2
        density = sum(map(np.count_nonzero, weights)) / sum(one.size for one in weights)
        # Some that were kept are rounded to zero.
        assert 0.25 * made.density < density <= 1.01 * made.density
        layouts.add(made.layout)
        levels.add(made.levels)
    assert len(trained_levels.SETS) >= 12
    assert layouts == {"flax", "torch"}
    assert {min(levels), max(levels)} == {3, 31}


@pytest.mark.parametrize("whole_range", [False, True])
def test_steps_of_sets_have_the_least_error_or_the_whole_range(whole_range):
    w = np.random.default_rng(0).normal(size=(30, 20)).astype(np.float32)
    made = trained_levels.Made("", "none", 0, 1, 7, "torch", whole_range=whole_range)
    levels, step = trained_levels._rounded(w, made)
    assert levels.shape == (20, 30)
    assert np.abs(levels).max() == 3
    if whole_range:
        assert float(step) == pytest.approx(np.abs(w).max() / 3)
        return

    def error(step):
        return np.square(w - step * np.rint(w / step).clip(-3, 3)).sum()

    assert error(float(step)) <= min(map(error, np.linspace(0.3, 1.2, 30) * np.abs(w).max() / 3))


@pytest.mark.slow
def test_a_set_is_trained(monkeypatch, tmp_path, capsys):
    made = trained_levels.Made("digits", "l1", 1e-4, 0.1, 7, "flax", steps=30)
    monkeypatch.setattr(trained_levels, "SETS", {"t": made})
    monkeypatch.setattr(trained_levels, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["trained_levels", "--only", "t"])
    with jax.numpy_dtype_promotion("standard"):  # Adam of optax
        trained_levels.main()
    capsys.readouterr()
    weights = [one for one, _ in trained_levels.load("t").values() if one.ndim > 1]
    assert sum(map(np.count_nonzero, weights)) <= 0.1 * sum(one.size for one in weights) + 1


@pytest.mark.parametrize("per", ["tensor", "unit"])
@pytest.mark.parametrize(("name", "unit"), [("kernel", 1), ("weight_ih", 0)])
def test_dense_levels_have_the_largest_one_in_each_tensor_or_unit(per, name, unit):
    w = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    levels, steps = codec_levels._rounded(name, w, 4, per)
    np.testing.assert_allclose(levels * steps, w, atol=0.51 * float(steps.max()))
    if per == "tensor":
        assert np.abs(levels).max() == 7
    else:
        np.testing.assert_array_equal(np.abs(levels).max(axis=1 - unit), 7)


def test_sizes_are_those_of_files():
    levels = {"w": (np.eye(30, dtype=np.int8), np.array(0.5, np.float32))}
    assert 30 < file_bytes(levels) < 150
    w = np.random.default_rng(0).normal(size=(30, 20)).astype(ml_dtypes.bfloat16)
    assert 700 < lossless_bytes({"w": w}) < 1_000


def test_a_file_that_holds_something_else_is_found(monkeypatch):
    levels = {"w": (np.eye(30, dtype=np.int8), np.array(0.5, np.float32))}
    others = {"w": (2 * levels["w"][0], levels["w"][1])}
    monkeypatch.setattr("jaxcomp.codec.read", lambda path: others)
    with pytest.raises(AssertionError):
        file_bytes(levels)
    monkeypatch.setattr("jaxcomp.load", lambda path: {"w": np.ones(3)})
    with pytest.raises(AssertionError):
        lossless_bytes({"w": np.zeros(3)})


def entropy_bytes(levels):
    _, counts = np.unique(levels, return_counts=True)
    return -(counts * np.log2(counts / levels.size)).sum() / 8


LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("d", "e", "d2", "e2")]


@pytest.mark.parametrize("name", ["a", "b", "c", *LARGE])
def test_the_sets_have_the_entropy_that_is_known_of_them(name):
    tensors = codec_sets.load(name)
    found = sum(entropy_bytes(levels) for _, levels, _ in tensors)
    assert found == pytest.approx(codec_sets.KNOWN[name][0], abs=1)
    assert {levels.dtype for _, levels, _ in tensors} == {np.dtype(np.int8)}


@pytest.fixture(scope="module")
def record():
    return json.loads((RESULTS / "codec.json").read_text())


def fixed(record):
    return {row["set"]: row for row in record["fixed"]["rows"]}


@pytest.mark.parametrize("name", ["a", "b", "c", "d", "e", "d2", "e2"])
def test_files_are_smaller_than_those_of_the_standard(record, name):
    one = fixed(record)[name]
    assert one["file_bytes"] < (one["nncodec_file_bytes"] or one["nncodec_payload_bytes"])


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("a", 1.01 * 5_372),
        ("b", 2_900),
        ("c", 1_865),
        ("d", 1.005 * 1_551_039),
        ("e", 1.005 * 21_367_842),
        ("d2", 1_050_000),
        ("e2", 16_470_000),
    ],
)
def test_payloads_are_within_their_goals(record, name, goal):
    assert fixed(record)[name]["payload_bytes"] <= goal


def test_trained_levels_take_two_percent_less_than_with_the_standard(record):
    rows = record["trained"]["rows"]
    assert [row["set"] for row in rows] == list(trained_levels.SETS)
    for row in rows:
        assert row["file_bytes"] <= 0.98 * row["nncodec_file_bytes"]


@pytest.mark.parametrize("name", ["t01", "t03", "t06", "t12", "t18"])
def test_files_of_trained_levels_are_those_of_the_record(record, name):
    (row,) = (row for row in record["trained"]["rows"] if row["set"] == name)
    assert file_bytes(trained_levels.load(name)) <= row["file_bytes"]


def test_dense_levels_take_less_than_with_the_standard(record):
    rows = record["dense"]["rows"]
    assert {row["network"] for row in rows} == set(codec_levels.DENSE)
    for row in rows:
        assert row["file_bytes"] < row["nncodec_file_bytes"]
        # Which is beyond the entropy of frequencies that nobody tells.
        assert row["payload_bytes"] < 1.005 * row["entropy_bytes"]


def test_networks_as_they_are_take_less_than_with_others(record):
    rows = record["lossless"]["rows"]
    assert {row["network"] for row in rows} == set(codec_lossless.NETWORKS)
    for row in rows:
        assert row["file_bytes"] < min(row[name] for name in ("zstd19", "zipnn", "bigsmall"))


def test_memory_is_at_most_that_of_three_arrays():
    rows = json.loads((RESULTS / "sharded.json").read_text())["rows"]
    assert [row["what"] for row in rows] == ["compress", "read one array", "decompress", "sizes"]
    assert max(row["peak_over_largest_array"] for row in rows[:3]) <= 3
    assert rows[3]["checkpoint"] > 1e9
    assert rows[1]["bytes_read"] < 0.1 * rows[3]["file"]


def test_the_random_checkpoint_has_the_shapes_of_a_resnet_50():
    shapes = list(random_checkpoint.shapes())
    assert len(shapes) == 161
    assert sum(np.prod(shape) for _, shape in shapes) == 25_557_032
