"""The table of statements, and the command that prints it."""

import json

import pytest

from jaxcomp.analysis import theory
from jaxcomp.analysis.verify import verify
from jaxcomp.cli import main


@pytest.fixture(scope="module")
def smallest():
    """The rows of the fewest and shortest points."""
    return list(verify(2, 1, seed=3))


def assert_all_hold(rows):
    assert len(rows) > 15
    assert [row.statement for row in rows if not row.holds] == []


def test_every_statement_holds(smallest):
    assert_all_hold(smallest)


@pytest.mark.slow
def test_every_statement_holds_at_more_points():
    assert_all_hold(list(verify(7, 30, seed=3)))


@pytest.fixture
def asked(smallest, monkeypatch):
    """What the command asks for; it gets the smallest rows."""
    calls = []
    monkeypatch.setattr(
        "jaxcomp.analysis.verify.verify", lambda *asked: calls.append(asked) or iter(smallest)
    )
    return calls


def test_the_command_prints_every_row(capsys, monkeypatch, asked, smallest):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["verify", "--n", "5", "--starts", "20", "--seed", "4"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("holds") == len(smallest)
    assert "…" not in shown
    assert main(["verify", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["statement"] for row in rows] == [row.statement for row in smallest]
    assert all(row["holds"] and row["worst"] <= row["tolerance"] for row in rows)
    assert asked == [(5, 20, 4), (64, 10_000, 0)]


def test_an_error_in_a_formula_fails_the_command(capsys, monkeypatch):
    right = theory.gradient_formula
    monkeypatch.setattr(theory, "gradient_formula", lambda w: right(w) * 1.001)
    assert main(["verify", "--n", "5", "--starts", "20"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("FAILS") == 2  # against autodiff, and against differences
    assert shown.count("holds") > 13


@pytest.mark.parametrize("arguments", [["--n", "1"], ["--starts", "0"]])
def test_sizes_that_make_no_sense(arguments, capsys):
    assert main(["verify", *arguments]) == 2
    assert "n must be at least 2 and starts at least 1" in capsys.readouterr().err
