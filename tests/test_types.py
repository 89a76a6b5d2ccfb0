"""Users' type checkers and editors know the types of the public names."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxcomp
from tests.helpers import ROOT


@pytest.mark.slow
def test_a_type_checker_knows_the_public_names():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "tests/typed_use.py"],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_says_that_it_is_typed():
    assert Path(jaxcomp.__file__).with_name("py.typed").read_text() == ""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "py.typed" in config["options.package_data"]["jaxcomp"].split()
