"""The benchmark of the codec runs, and its committed record says what the project claims."""

import json
import sys

import numpy as np
import pytest

from experiments.benchmarks import codec, codec_sets, random_checkpoint
from tests.helpers import RESULTS


def small_set(name):
    rng = np.random.default_rng(0)
    return [
        ("w", rng.integers(-1, 2, (20, 10)).astype(np.int8), 1),
        ("v", rng.integers(-8, 9, (20, 10)).astype(np.int8), 16),
    ]


def test_it_measures_a_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(codec_sets, "KNOWN", {"x": (100, 120, None), "y": (100, 120, 130)})
    monkeypatch.setattr(codec_sets, "load", small_set)
    output = tmp_path / "record.json"
    command = ["codec", "--only", "y", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", command)
    codec.main()
    assert "NNCodec" in capsys.readouterr().out
    record = json.loads(output.read_text())["sets"]["y"]
    assert record["weights"] == 400
    assert 0 < record["payload_bytes"] < record["file_bytes"]
    assert record["encode_million_per_second"] > 0


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
def sets():
    return json.loads((RESULTS / "codec.json").read_text())["sets"]


@pytest.mark.parametrize("name", ["a", "b", "c", "d", "e", "d2", "e2"])
def test_files_are_smaller_than_those_of_the_standard(sets, name):
    one = sets[name]
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
def test_payloads_are_within_their_goals(sets, name, goal):
    assert sets[name]["payload_bytes"] <= goal


def test_the_random_checkpoint_has_the_shapes_of_a_resnet_50():
    shapes = list(random_checkpoint.shapes())
    assert len(shapes) == 161
    assert sum(np.prod(shape) for _, shape in shapes) == 25_557_032
