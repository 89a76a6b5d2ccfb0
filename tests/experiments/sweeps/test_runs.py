"""Runs of a sweep are made once, whatever happens between."""

import json
import math

import pytest

from experiments.sweeps.runs import kept
from jaxcomp.strict_json import DamagedFileError


def test_a_run_is_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return {"error": 2.5}

    folder = tmp_path / "new" / "folder"
    assert kept(folder, "l1/l2 0.1", make) == kept(folder, "l1/l2 0.1", make) == {"error": 2.5}
    assert len(made) == 1
    for other in ("l1/l2 0.2", "l1 + l2 0.1"):
        kept(folder, other, make)
    assert len(made) == 3


def test_a_run_that_was_killed_leaves_nothing(tmp_path):
    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "one", killed)
    assert list(tmp_path.iterdir()) == []
    assert kept(tmp_path, "one", dict) == {}


def test_a_result_that_was_cut_off_is_named_with_the_remedy(tmp_path):
    kept(tmp_path, "one", lambda: {"error": 2.5})
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text()[:5])
    with pytest.raises(DamagedFileError, match=rf"{path} is damaged.*: delete it"):
        kept(tmp_path, "one", dict)


def test_numbers_that_are_not_finite_come_back_and_the_file_is_json(tmp_path):
    result = kept(tmp_path, "one", lambda: {"error": [math.nan, 1.0], "bytes": math.inf})
    assert math.isnan(result["error"][0])
    assert math.isnan(result["bytes"])
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["error"] == [None, 1.0]
