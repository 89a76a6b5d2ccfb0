"""Compiled programs, kept from one run of the tests to the next."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

_DAY = 24 * 3600.0


class Compiled:
    """The cache of one run: links to the programs that are kept, and what it adds to them.

    JAX writes a program in place, and never again where there is one. So a process that is killed
    while it writes leaves half a program for good. A run therefore writes into a folder of its own,
    and only a run that ends hands its programs on.
    """

    def __init__(self, kept: Path) -> None:
        self.kept = kept
        kept.mkdir(parents=True, exist_ok=True)
        _forget(kept.parent)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=kept.parent))
        _link_all(kept, self.folder / "tests")

    def keep(self) -> None:
        """Hand the programs on, and remove the folder of the run."""
        _link_all(self.folder / "tests", self.kept)
        shutil.rmtree(self.folder, ignore_errors=True)


def _link_all(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    have = set(os.listdir(target))
    for entry in os.scandir(source):
        if entry.name not in have and entry.is_file():
            with contextlib.suppress(FileExistsError):  # another run was quicker
                os.link(entry.path, target / entry.name)


def _forget(folder: Path) -> None:
    """Delete what runs that were killed have left, and programs that are a month old."""
    now = time.time()
    for path in folder.glob("run-*"):
        if now - path.stat().st_mtime > _DAY:
            shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob("jaxlib-*/*"):
        if now - path.stat().st_mtime > 30 * _DAY:
            path.unlink(missing_ok=True)
