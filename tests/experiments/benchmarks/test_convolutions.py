"""Both ways of a convolution compute the same; which is faster is measured, not tested."""

import json

import numpy as np
import pytest

from experiments.benchmarks import convolutions


@pytest.fixture(autouse=True)
def small_shapes(monkeypatch):
    shapes = {
        name: ((4, *of_images[1:3], 2), (3, 3, 2, 3), padding)
        for name, (of_images, _, padding) in convolutions.SHAPES.items()
    }
    monkeypatch.setattr(convolutions, "SHAPES", shapes)


def test_both_ways_make_the_same_step():
    for name, fast, slow in convolutions._pairs(3):
        np.testing.assert_allclose(fast(), slow(), rtol=1e-4, atol=1e-5, err_msg=name)


def test_rows(tmp_path, capsys):
    output = tmp_path / "rows.json"
    convolutions.main(["--repeats=2", "--seconds=0", "--steps=2", "--output", str(output)])
    rows = json.loads(output.read_text())["rows"]
    assert {row["name"] for row in rows} == {convolutions.LOOP, *convolutions.SHAPES}
    printed = capsys.readouterr().out
    assert all(row["name"] in printed and row["ratio"]["min"] > 0 for row in rows)
