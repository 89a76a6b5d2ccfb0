"""Programs are kept by runs that end, and by no other."""

import os
import time

from tests.compiled import Compiled


def programs(run):
    return {path.name: path.read_text() for path in (run.folder / "tests").iterdir()}


def test_a_run_that_ends_hands_its_programs_on(tmp_path):
    kept = tmp_path / "cache" / "jaxlib-1"
    first = Compiled(kept)
    (first.folder / "tests" / "one").write_text("whole")
    first.keep()
    second = Compiled(kept)
    assert programs(second) == {"one": "whole"}
    (second.folder / "tests" / "two").write_text("whole too")
    second.keep()
    assert programs(Compiled(kept)) == {"one": "whole", "two": "whole too"}
    assert not first.folder.exists()


def test_a_run_that_is_killed_hands_nothing_on(tmp_path):
    kept = tmp_path / "cache" / "jaxlib-1"
    killed = Compiled(kept)
    (killed.folder / "tests" / "one").write_text("hal")
    beside = Compiled(kept)
    assert programs(beside) == {}
    (beside.folder / "started").mkdir()  # what processes of tests have written, which are killed
    (beside.folder / "started" / "two").write_text("hal")
    beside.keep()
    assert programs(Compiled(kept)) == {}


def test_what_is_old_goes(tmp_path):
    kept = tmp_path / "cache" / "jaxlib-1"
    killed = Compiled(kept)
    for name in ("old", "new"):
        (kept / name).write_text(name)
    month = time.time() - 31 * 24 * 3600
    for path in (kept / "old", killed.folder):
        os.utime(path, (month, month))
    assert programs(Compiled(kept)) == {"new": "new"}
    assert not killed.folder.exists()
