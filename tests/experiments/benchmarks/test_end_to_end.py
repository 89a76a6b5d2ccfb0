"""What feeding and the method cost is measured; what it is is not tested."""

import json

import numpy as np
import pytest

from experiments.benchmarks import end_to_end
from jaxcomp.models import MODELS
from tests.models.normalized import Normalized

QUICK = ["--steps", "2", "--repeats", "2", "--seconds", "0"]


def run(tmp_path, capsys, *arguments):
    """The rows of the record, after a look at what was printed."""
    output = tmp_path / "end_to_end.json"
    end_to_end.main([*QUICK, *arguments, "--output", str(output)])
    record = json.loads(output.read_text())
    assert record["command"].startswith("python -m experiments.benchmarks.end_to_end --steps 2")
    printed = capsys.readouterr().out
    for row in record["rows"]:
        assert row["ratio"]["min"] > 0
        assert row["examples_per_second"] > 0
        assert row["name"] in printed
    return {row["name"]: row for row in record["rows"]}


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_examples_in_memory(tmp_path, capsys):
    rows = run(tmp_path, capsys, "--networks", "lenet_300_100")
    assert [*rows] == [
        "fed from memory",
        "fed from device",
        "penalty and pruning, fed from device",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("standard_promotion")
def test_streamed_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(MODELS, end_to_end.STREAMED, Normalized)
    arguments = ["--networks", end_to_end.STREAMED, "--batch", "4", "--image-size", "16"]
    rows = run(tmp_path, capsys, *arguments)
    assert [*rows] == ["fed from stream", "penalty and pruning, fed from stream"]
    assert rows["fed from stream"]["batch"] == 4


def test_pictures_are_as_large_as_those_of_imagenet():
    pictures = end_to_end.Pictures(2)
    images = [pictures[index]["image"] for index in range(len(pictures))]
    assert [image.shape for image in images] == [(375, 500, 3)] * 2
    assert not np.array_equal(*images)
    assert all(60_000 < len(file) < 160_000 for file in pictures._files)
