"""One run in a workdir at a time, and no lock of a process that is gone."""

import errno
import fcntl
import logging
import os
import socket
import subprocess
import sys

import pytest

from experiments.run import lock
from experiments.run.lock import LOCK_FILE, LockedError, locked, locked_by_first
from tests.helpers import ROOT


def test_the_second_is_told_who_the_first_is(tmp_path):
    who = rf"process {os.getpid()} on {socket.gethostname()} is at work in {tmp_path}: .*--workdir"
    with locked(tmp_path):
        for _ in range(2):
            with pytest.raises(LockedError, match=who), locked(tmp_path):
                pass
    with locked(tmp_path):  # it is free again
        pass


def test_the_text_of_a_process_that_is_gone_does_not_lock(tmp_path):
    (tmp_path / LOCK_FILE).write_text("process 1 on another machine, of a name that is longer\n")
    with locked(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text().split() == [
            "process",
            str(os.getpid()),
            "on",
            socket.gethostname(),
        ]


def test_an_error_frees_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    with locked(tmp_path):
        pass


HOLD = """
import sys
from pathlib import Path
from experiments.run.lock import locked

with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_gone_with_it(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(LockedError, match=f"process {holder.pid} on"), locked(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path):
        pass


def test_without_locks_in_the_file_system_there_is_a_warning(tmp_path, monkeypatch, caplog):
    def flock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with caplog.at_level(logging.WARNING, "experiments"), locked(tmp_path):
        pass
    assert f"{tmp_path} cannot be locked (No locks available)" in caplog.text


def test_the_first_of_several_processes_locks_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "is_first", lambda: False)
    with locked_by_first(tmp_path):
        assert not (tmp_path / LOCK_FILE).exists()
    # What one of them is refused ends all.
    monkeypatch.setattr(lock, "any_of_them", lambda here: True)
    with pytest.raises(LockedError, match="the first process says why"), locked_by_first(tmp_path):
        pass
    monkeypatch.setattr(lock, "is_first", lambda: True)
    with (
        locked(tmp_path),
        pytest.raises(LockedError, match=f"process {os.getpid()} on"),
        locked_by_first(tmp_path),
    ):
        pass
