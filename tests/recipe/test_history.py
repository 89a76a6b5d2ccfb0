"""Points of the curves stay when a run is resumed."""

import json
import logging
import math

import pytest

from jaxcomp.recipe.history import History


def history(file, shown=None):
    return History(file, frozenset({"loss"}), ([] if shown is None else shown).append)


def test_points_of_a_run_before_stay_until_their_phase_begins(tmp_path):
    file, shown = tmp_path / "metrics.jsonl", []
    of_dense, of_penalty = (
        [{"phase": phase, "step": step, "loss": 0.5} for step in (1, 2)]
        for phase in ("dense", "penalty")
    )

    def lines():
        return [json.loads(line) for line in file.read_text().splitlines()]

    text = "".join(json.dumps(point) + "\n" for point in (*of_dense, *of_penalty))
    file.write_text(text + '{"phase": "pen')  # killed while it wrote
    with history(file):
        pass  # killed again, before it has come anywhere
    with history(file, shown) as again:
        again.resume("dense", 2)
        assert lines() == [*of_dense, *of_penalty]
        again.resume("penalty", 1)
        assert lines() == again.points == shown == [*of_dense, of_penalty[0]]


def test_damaged_lines_are_left_out_and_numbers_that_are_not_finite_stay(tmp_path, caplog):
    file = tmp_path / "metrics.jsonl"
    with history(file) as first:
        first.add({"phase": "dense", "step": 1, "loss": math.nan})
    (line,) = file.read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail)["loss"] is None
    damaged = [b"\0" * 40, b"\xff\xfe", b'{"phase": "den', b"[1]", b'{"step": 3}']
    file.write_bytes(b"\n".join([line.encode(), *damaged, line.encode(), b""]))
    with caplog.at_level(logging.WARNING, "jaxcomp"), history(file) as again:
        again.resume("dense", 2)
    assert f"{file}: 5 of 7 lines are damaged" in caplog.text
    assert [one["step"] for one in again.points] == [1, 1]
    assert all(math.isnan(one["loss"]) for one in again.points)


def test_without_a_file_points_are_in_memory():
    with history(None) as one:
        one.resume("dense", 3)
        one.add({"phase": "dense", "step": 1, "loss": 0.5})
    assert [point["step"] for point in one.points] == [1]
