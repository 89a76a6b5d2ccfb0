"""Runs of a sweep are made once, whatever happens between."""

import pytest

from experiments.sweeps.runs import kept


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
