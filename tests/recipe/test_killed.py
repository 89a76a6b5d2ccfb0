"""A run that is killed ends, in another process, with the bytes of one that is not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT

SCRIPT = """
import sys
from jaxcomp.recipe import Dense, Quantize, Recipe, Sparsify, watching
from tests.recipe.regression import KEY, batch, loss, start

watching._SECONDS = 0.0  # a checkpoint at each look
recipe = Recipe(
    Dense(steps=300), Sparsify(steps=300, density=0.2, prune_steps=200), Quantize(steps=300)
)
folder = sys.argv[2] if len(sys.argv) > 2 else None
recipe.run(loss, start(), batch, key=KEY, look_every=10, folder=folder).save(sys.argv[1])
"""


def begin(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def points(folder: Path) -> int:
    file = folder / "history.jsonl"
    return len(file.read_text().splitlines()) if file.is_file() else 0


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_same_bytes(tmp_path):
    whole, resumed, folder = tmp_path / "whole.jxc", tmp_path / "resumed.jxc", tmp_path / "run"
    assert begin(whole).wait() == 0
    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), 1):
        process = begin(resumed, folder)
        while points(folder) < 20 * number and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(how)
        assert process.wait() != 0, "it ended before it was stopped"
    assert not resumed.exists()
    assert begin(resumed, folder).wait() == 0
    assert resumed.read_bytes() == whole.read_bytes()
    assert points(folder) == 90
