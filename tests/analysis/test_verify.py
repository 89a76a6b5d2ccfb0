"""The table of statements, and the command that prints it."""

import json

import pytest

from jaxcomp.analysis import theory
from jaxcomp.analysis.verify import verify
from jaxcomp.cli import main


@pytest.mark.parametrize(("n", "starts"), [(2, 1), pytest.param(7, 30, marks=pytest.mark.slow)])
def test_every_statement_holds(n, starts):
    rows = list(verify(n, starts, seed=3))
    assert len(rows) > 15
    assert [row.statement for row in rows if not row.holds] == []


def test_the_command_prints_every_row(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["verify", "--n", "5", "--starts", "20"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("holds") > 15
    assert "…" not in shown
    assert main(["verify", "--n", "5", "--starts", "20", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["holds"] and row["worst"] <= row["tolerance"] for row in rows)


def test_an_error_in_a_formula_fails_the_command(capsys, monkeypatch):
    right = theory.gradient_formula
    monkeypatch.setattr(theory, "gradient_formula", lambda w: right(w) * 1.001)
    assert main(["verify", "--n", "5", "--starts", "20"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("FAILS") == 2  # against autodiff, and against differences


@pytest.mark.parametrize("arguments", [["--n", "1"], ["--starts", "0"]])
def test_sizes_that_make_no_sense(arguments, capsys):
    assert main(["verify", *arguments]) == 2
    assert "n must be at least 2 and starts at least 1" in capsys.readouterr().err
