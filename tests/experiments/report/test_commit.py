"""The commit that a record names."""

import subprocess

import pytest

from experiments.report.commit import commit


def git(folder, *arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
def test_of_a_checkout_as_it_is_and_changed(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "code.py").write_text("a = 1\n")
    assert commit(tmp_path) is None
    git(tmp_path, "init")
    assert commit(tmp_path) is None  # of no commit yet
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "a")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "runs").mkdir()  # what is not tracked changes no result
    (tmp_path / "runs" / "notes.txt").write_text("b")
    assert commit(tmp_path) == head
    (tmp_path / "package" / "code.py").write_text("a = 2\n")
    assert commit(tmp_path) == head + "+"
    assert commit(tmp_path / "package") is None  # code that lies in the checkout of something else


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit(tmp_path) is None
