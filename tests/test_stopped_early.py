"""A command that is stopped while Python still imports what it needs."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest


@pytest.mark.slow
@pytest.mark.usefixtures("signals_not_ignored")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["numpy", "rich.console", "jax"])
def test_a_signal_at_an_import_is_one_line(tmp_path, module, number):
    program = f"""
        import os, sys

        class Stopping:
            def find_spec(self, name, path=None, target=None):
                if name == {module!r}:
                    os.kill(os.getpid(), {int(number)})

        sys.meta_path.insert(0, Stopping())
        from jaxcomp.cli import main
        main(["compress", "in.npz", "-o", "out.jxc"])
    """
    np.savez(tmp_path / "in.npz", w=np.ones(3))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stderr == f"jaxcomp: stopped by {number.name}\n"
    assert done.returncode == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["in.npz"]
